import { expectOtherFile, expectWritable } from '../../base/index.js'

/**
 * Before the work: a file that a command is to write is none of those that it reads, and can be written.
 *
 * @param read paths, or specs of datasets
 * @throws `ERR_SAME_FILE`, `ERR_OUTPUT`
 */
export async function expectOutputs(files: readonly string[], read: readonly string[]): Promise<void> {
  const inputs = read.flatMap((input) => [input, ...placesOf(input)])
  for (const file of files) expectOtherFile(file, inputs)
  for (const file of files) await expectWritable(file)
}

/** What a dataset's spec, KIND:PATH[:SPLIT…], may mean by its path. */
function placesOf(spec: string): string[] {
  const parts = spec.split(':').slice(1)
  return parts.map((_, i) => parts.slice(0, i + 1).join(':'))
}

let gone = false

/**
 * Lets a reader that closes stdout or stderr early, as `head` does, end what is printed but not the work: what a command writes to
 * files is still written. Anything else that keeps output from being written ends in exit code 1.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.syscall === undefined) return // undefined: of what is written afterwards
      if (!gone && stream === process.stdout)
        process.stderr.write(`sos: output cannot be written: ${error.message}\n`)
      gone = true
      process.exitCode = 1
    })
  }
}
