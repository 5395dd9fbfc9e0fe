import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const list = 'docs/README.md'

/**
 * The guides of the documentation site, in the order and the groups of docs/README.md: each of its headings "You want to …" is a
 * group, and the documents that a numbered list below it begins with are the group's. The list itself comes first.
 *
 * @returns {{ file: string, title: string, group: string }[]} the file is relative to the root; the title is its first heading
 */
export function readGuides() {
  const guides = [guide(list, 'Start')]
  for (const section of readFileSync(join(root, list), 'utf8').split(/^## /m).slice(1)) {
    const heading = section.slice(0, section.indexOf('\n')).replace(/^You want to /, '')
    const group = heading[0].toUpperCase() + heading.slice(1)
    for (const [, target] of section.matchAll(/^\d+\. \[[^\]]+\]\(([^)]+\.md)\)/gm))
      guides.push(guide(relative(root, resolve(root, dirname(list), target)), group))
  }
  for (const name of readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')))
    if (!guides.some(({ file }) => file === `docs/${name}`))
      throw new Error(`expected ${list} to list ${name}; the documentation site shows what it lists`)
  return guides
}

function guide(file, group) {
  const title = /^# (.+)$/m.exec(readFileSync(join(root, file), 'utf8'))?.[1]
  if (title === undefined)
    throw new Error(`expected ${file} to begin with a heading, "# …"; ${list} lists it`)
  return { file, title, group }
}
