import { existsSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'

/** In the order of their dependencies. Those with CUDA are only in a libtorch that was built for it. */
const libraries = ['c10', 'torch_cpu', 'c10_cuda', 'torch_cuda', 'torch']

/** Not in `os.constants`. It keeps a library although Node, which expects an addon, closes it again. */
const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000

/**
 * Loads libtorch into the process, for an addon that does not know where libtorch is. The dynamic linker then finds the libraries by
 * their names when the addon asks for them.
 *
 * @param torchRoot the folder with `lib`
 * @throws an error of the dynamic linker
 */
export function openLibTorch(torchRoot: string): void {
  const { RTLD_NOW, RTLD_GLOBAL } = os.constants.dlopen
  const suffix = process.platform === 'darwin' ? 'dylib' : 'so'
  for (const name of libraries) {
    const path = join(torchRoot, 'lib', `lib${name}.${suffix}`)
    if (!existsSync(path)) continue
    try {
      process.dlopen({ exports: {} }, path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)
    } catch (error) {
      // Node complains that the library, which it has loaded, is no addon.
      if (!(error as Error).message.includes('did not self-register')) throw error
    }
  }
}
