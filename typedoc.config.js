import { basename, join } from 'node:path'
import { Converter, JSX, KindRouter } from 'typedoc'

import { readGuides } from './scripts/docs/guides.mjs'

const guides = readGuides()
const groups = [...new Set(guides.map(({ group }) => group)), 'API']

/** Gives each guide its title, its group in the navigation, and a page that is named after its file. */
function showGuides(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const path = document.project.files.getReflectionPath(document)
    const { title, group } = guides.find(({ file }) => join(import.meta.dirname, file) === path)
    document.name = title
    document.frontmatter.group = group
  })
  app.renderer.defineRouter(
    'guides',
    class extends KindRouter {
      getIdealBaseName(reflection) {
        if (!reflection.isDocument()) return super.getIdealBaseName(reflection)
        const { file } = guides.find(({ title }) => title === reflection.name)
        return `guides/${file
          .replace(/^docs\//, '')
          .replace(/\.md$/, '')
          .replaceAll('/', '-')}`
      }
    },
  )
}

/** Shows the groups of the navigation open to a reader who has not yet closed one. */
function openGroups(app) {
  const script = `try { for (const group of ${JSON.stringify(groups)}) localStorage['tsd-accordion-' + group] ??= 'true' } catch {}`
  app.renderer.hooks.on('body.begin', () =>
    JSX.createElement('script', null, JSX.createElement(JSX.Raw, { html: script })),
  )
}

/** Shows a link whose text is the name of a guide's file, such as [docs/shift.md](docs/shift.md), with the guide's title. */
function nameLinks(markdown) {
  markdown.core.ruler.push('name_links', ({ tokens }) => {
    for (const { children } of tokens)
      children?.forEach((token, i) => {
        if (token.type !== 'text' || children[i - 1]?.type !== 'link_open') return
        const guide = guides.find(
          ({ file }) => file !== 'docs/README.md' && basename(file) === basename(token.content),
        )
        if (guide) token.content = guide.title
      })
  })
}

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  plugin: [showGuides, openGroups],
  markdownItLoader: nameLinks,
  entryPoints: ['src/index.ts', 'src/{torch,data,model,evaluate,shift,sharpness,train,report}/index.ts'],
  out: 'build/docs',
  readme: 'README.md',
  projectDocuments: guides.map(({ file }) => file),
  router: 'guides',
  locales: { en: { kind_plural_module: 'API' } },
  sort: ['kind', 'instance-first', 'alphabetical-ignoring-documents'],
  sortEntryPoints: false,
  groupOrder: groups,
  navigation: { includeGroups: true, compactFolders: false },
  headings: { readme: false, document: false },
  searchInComments: true,
  searchInDocuments: true,
  customCss: 'scripts/docs/site.css',
  hideGenerator: true,
  excludePrivate: true,
  excludeInternal: true,
  exclude: ['src/torch/operators/*.generated.ts'], // their types show their schemas
  treatWarningsAsErrors: true,
  validation: {
    notExported: true,
    invalidLink: true,
    invalidPath: true,
    rewrittenLink: true,
    notDocumented: false,
  },
  intentionallyNotExported: [
    'recordSchema',
    'Operators',
    'AsyncOperators',
    'OperatorNamespaces',
    'schema',
    'lineSchema',
  ],
  highlightLanguages: ['bash', 'docker', 'python', 'typescript', 'javascript', 'json', 'text'],
  disableSources: true,
  disableGit: true,
}
