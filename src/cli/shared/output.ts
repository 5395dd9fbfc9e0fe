import { expectOtherFile, expectWritable } from '../../base/index.js'

/**
 * Checks, before the work begins, that a command can write its output files and that none of them is also an input.
 *
 * @param read paths, or specs of datasets
 * @throws `ERR_SAME_FILE` if an output is an input, `ERR_OUTPUT` if an output cannot be written
 */
export async function expectOutputs(files: readonly string[], read: readonly string[]): Promise<void> {
  const inputs = read.flatMap((input) => [input, ...placesOf(input)])
  for (const file of files) expectOtherFile(file, inputs)
  for (const file of files) await expectWritable(file)
}

/** The paths that a dataset's spec, KIND:PATH[:SPLIT…], may name. */
function placesOf(spec: string): string[] {
  const parts = spec.split(':').slice(1)
  return parts.map((_, i) => parts.slice(0, i + 1).join(':'))
}

let gone = false

/**
 * Lets the work continue if a reader closes stdout or stderr early, as `head` does: the command still writes its files. Any other
 * failure to write output sets exit code 1.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.syscall === undefined) return // undefined: the error of a later write
      if (!gone && stream === process.stdout)
        process.stderr.write(`sos: cannot write output: ${error.message}\n`)
      gone = true
      process.exitCode = 1
    })
  }
}
