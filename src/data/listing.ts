import { constants, type Dirent } from 'node:fs'
import { access, readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { SosError } from '../base/index.js'

const extensions = /\.(jpe?g|png|webp|bmp|gif|tiff?|p[gp]m)$/i
/** Images that are not read: a folder that holds such is told of, not taken for one without. */
const foreign = /\.(jfif|jpe|p[abfn]m|hei[cf]|avif|jp2|j2k|jxl|svg|psd|dng)$/i
/** What systems put beside files: macOS's archives, Synology's thumbnails, file systems' own. Names with a dot before are too. */
const systems = new Set(['__MACOSX', '@eaDir', '#recycle', '#snapshot', '$RECYCLE.BIN', 'lost+found'])
systems.add('System Volume Information')

/** What a folder holds, by code point; hidden names, and what systems put there, are left out. */
export interface Listing {
  /** Links to folders too. */
  readonly folders: readonly string[]
  /** By their names images that are read. Links are taken for files. */
  readonly images: readonly string[]
  /** By their names images that are not read. */
  readonly foreign: readonly string[]
}

/**
 * Lists a folder. Links that lead nowhere are ignored where they have no image's name, as by torchvision.
 *
 * @throws `ERR_DATASET` where it cannot be read
 */
export async function list(folder: string): Promise<Listing> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    const why = await access(folder, constants.F_OK).then(
      () => (cause as Error).message,
      () => `there is no such folder${folder.includes('\ufffd') ? ': its name is not UTF-8' : ''}`,
    )
    throw new SosError('ERR_DATASET', `${folder}: expected a folder of images but ${why}`, { cause })
  }
  const folders: string[] = []
  const files: string[] = []
  for (const entry of entries) {
    const { name } = entry
    if (name.startsWith('.') || systems.has(name)) continue
    if (await leadsToFolder(entry, join(folder, name))) folders.push(name)
    else if (!entry.isDirectory()) files.push(name)
  }
  return {
    folders: folders.sort(byCodePoint),
    images: files.filter((name) => extensions.test(name)).sort(byCodePoint),
    foreign: files.filter((name) => foreign.test(name)),
  }
}

async function leadsToFolder(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  const target = await stat(path).catch(() => null) // it leads nowhere, or in a circle
  return target?.isDirectory() ?? false
}

/**
 * The images in a folder and the folders in it, as torchvision finds and orders them: folder by folder. A link that leads back to a
 * folder above it is not followed.
 *
 * @param folder its path
 * @returns paths below it; by their names images that are not read
 * @throws `ERR_DATASET`
 */
export async function walk(folder: string): Promise<Pick<Listing, 'images' | 'foreign'>> {
  const found: { at: string; images: string[]; foreign: string[] }[] = []
  const visit = async (at: string, above: readonly string[]): Promise<void> => {
    const path = join(folder, at)
    const { folders, images, foreign } = await list(path)
    const real = await realpath(path)
    if (above.some((folder) => `${folder}${sep}`.startsWith(`${real}${sep}`))) return
    found.push({ at, images: images.map((name) => join(at, name)), foreign: [...foreign] })
    for (const name of folders) await visit(join(at, name), [...above, real])
  }
  await visit('', [])
  found.sort((a, b) => byCodePoint(a.at, b.at))
  return { images: found.flatMap(({ images }) => images), foreign: found.flatMap(({ foreign }) => foreign) }
}

/** A file's name without the ending of an image; another ending is a part of the name. */
export function withoutExtension(name: string): string {
  return name.replace(extensions, '')
}

/** Python's order of texts. JavaScript compares halves of a character where it is beyond 16 bits. */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** Halves of a character, 0xD800 to 0xDFFF, behind all that is whole. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)
