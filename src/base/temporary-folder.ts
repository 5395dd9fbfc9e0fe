import { mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'

/** The temporary folders of this process, which are removed when it exits. */
const folders = new Set<string>()

/** Creates a folder whose name begins with `prefix`. It is removed when it is disposed of, or when the process exits. */
export function temporaryFolder(prefix: string): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(prefix)
  if (folders.size === 0) process.on('exit', removeAll)
  folders.add(path)
  return {
    path,
    async [Symbol.asyncDispose]() {
      folders.delete(path)
      if (folders.size === 0) process.off('exit', removeAll)
      await rm(path, { recursive: true, force: true }).catch(() => {}) // an earlier error is more important
    },
  }
}

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true })
}
