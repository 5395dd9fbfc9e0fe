import { constants, type Dirent } from 'node:fs'
import { access, readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { SosError } from '../base/index.js'

const extensions = /\.(jpe?g|png|webp|bmp|gif|tiff?|p[gp]m)$/i
/** Images that are not read: messages mention them, so that their folder is not taken for an empty one. */
const foreign = /\.(jfif|jpe|p[abfn]m|hei[cf]|avif|jp2|j2k|jxl|svg|psd|dng)$/i
/**
 * Folders that systems make, for archives of macOS, thumbnails of Synology, and file systems. Folders whose names begin with a dot
 * are left out too.
 */
const systems = new Set(['__MACOSX', '@eaDir', '#recycle', '#snapshot', '$RECYCLE.BIN', 'lost+found'])
systems.add('System Volume Information')

/** The content of a folder, sorted by code point, without hidden names and the folders that systems make. */
export interface Listing {
  /** The folders, and links to folders. */
  readonly folders: readonly string[]
  /** The files whose names are those of images that are read. Other links count as files. */
  readonly images: readonly string[]
  /** The files whose names are those of images that are not read. */
  readonly foreign: readonly string[]
}

/**
 * Lists a folder. As in torchvision, a broken link is ignored unless it has the name of an image.
 *
 * @throws `ERR_DATASET` if the folder cannot be read
 */
export async function listFolder(folder: string): Promise<Listing> {
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
  const target = await stat(path).catch(() => null) // the link is broken or circular
  return target?.isDirectory() ?? false
}

/**
 * Lists the images in a folder and in all folders below it, as torchvision finds and orders them: folder by folder. A link to a folder above
 * it is not followed.
 *
 * @param folder the path of the folder
 * @returns paths relative to the folder
 * @throws `ERR_DATASET`
 */
export async function imagesBelow(folder: string): Promise<Pick<Listing, 'images' | 'foreign'>> {
  const found: { at: string; images: string[]; foreign: string[] }[] = []
  const visit = async (at: string, above: readonly string[]): Promise<void> => {
    const path = join(folder, at)
    const { folders, images, foreign } = await listFolder(path)
    const real = await realpath(path)
    if (above.some((folder) => `${folder}${sep}`.startsWith(`${real}${sep}`))) return
    found.push({ at, images: images.map((name) => join(at, name)), foreign: [...foreign] })
    for (const name of folders) await visit(join(at, name), [...above, real])
  }
  await visit('', [])
  found.sort((a, b) => byCodePoint(a.at, b.at))
  return { images: found.flatMap(({ images }) => images), foreign: found.flatMap(({ foreign }) => foreign) }
}

/** The name of a file without the extension of an image. Another extension is a part of the name. */
export function withoutExtension(name: string): string {
  return name.replace(extensions, '')
}

/** Compares texts by code point, as Python does. JavaScript itself compares 16-bit units, of which a code point may have two. */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** Puts the halves of a surrogate pair, 0xD800 to 0xDFFF, after all other units. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)
