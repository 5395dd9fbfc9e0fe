import { mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'

/** Those of this process: what ends it takes them away. */
const folders = new Set<string>()

/** Makes a folder whose name begins with `prefix`. It is gone when it is disposed of, or when the process exits. */
export function temporaryFolder(prefix: string): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(prefix)
  if (folders.size === 0) process.on('exit', removeAll)
  folders.add(path)
  return {
    path,
    async [Symbol.asyncDispose]() {
      folders.delete(path)
      if (folders.size === 0) process.off('exit', removeAll)
      await rm(path, { recursive: true, force: true }).catch(() => {}) // what failed before is what is told
    },
  }
}

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true })
}
