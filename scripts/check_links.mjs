// Checks the links inside the project, without a network: those of its Markdown files, and those of the documentation site in
// build/docs, if it is built. The file that a link names must exist, and so must its anchor. It is a part of `npm run check`.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const site = join(root, 'build/docs')

/** @typedef {{ anchors: Set<string>, links: string[] }} Page */

/** @returns {Page} */
function readMarkdown(path) {
  const text = readFileSync(path, 'utf8').replace(/^(`{3,})[\s\S]*?^\1/gm, '')
  const anchors = new Set()
  for (const [, heading] of text.matchAll(/^#+ (.+)$/gm)) {
    const slug = githubSlug(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'))
    let anchor = slug
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`
    anchors.add(anchor)
  }
  const links = [...text.replace(/`[^`\n]+`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link)
  return { anchors, links }
}

/** The anchor that GitHub gives to a heading: small letters, without punctuation, a hyphen for each space. */
function githubSlug(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')
}

/** @returns {Page} */
function readHtml(path) {
  const text = readFileSync(path, 'utf8').replace(/<script[\s\S]*?<\/script>/g, '')
  const values = (attribute) =>
    [...text.matchAll(new RegExp(`\\s(?:${attribute})="([^"]*)"`, 'g'))].map(([, value]) =>
      value.replaceAll('&amp;', '&'),
    )
  return { anchors: new Set(values('id')), links: values('href|src') }
}

const markdown = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'],
  { cwd: root },
)
const html = existsSync(site)
  ? readdirSync(site, { recursive: true }).filter((name) => name.endsWith('.html'))
  : []
/** @type {Map<string, Page>} */
const pages = new Map()
for (const name of markdown.toString().split('\0').filter(Boolean))
  if (existsSync(join(root, name))) pages.set(join(root, name), readMarkdown(join(root, name)))
for (const name of html) pages.set(join(site, name), readHtml(join(site, name)))

const faults = []
let count = 0
for (const [path, { links }] of pages) {
  for (const link of links) {
    if (/^[a-z]+:/.test(link) || link === '') continue
    count++
    const [file, anchor] = link.split('#').map(decodeURIComponent)
    const target = file === '' ? path : resolve(dirname(path), file.replace(/\?.*/, ''))
    const at = `${relative(root, path)} links to ${link}`
    if (!existsSync(target)) faults.push(`${at}, but there is no file ${relative(root, target)}`)
    else if (anchor && pages.has(target) && !pages.get(target).anchors.has(anchor))
      faults.push(`${at}, but ${relative(root, target)} has no anchor #${anchor}`)
  }
}
for (const fault of faults) console.error(`links: ${fault}`)
if (faults.length > 0) process.exit(1)
console.log(`links: ${count} in ${pages.size} pages`)
