import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { Command, Option } from 'commander'
import { expectOtherFile, SosError } from '../../base/index.js'
import type { TrainingRun } from '../../report/index.js'
import type { ExperimentRun, Scheme, Trainer, TrainingConfig } from '../../train/index.js'
import { commandLine } from '../shared/command-line.js'
import { untilInterrupted } from '../shared/interrupt.js'
import { library } from '../shared/library.js'
import { wholeNumber } from '../shared/options.js'
import { figure, percent, printJson, printLine, printTables } from '../shared/print.js'
import { duration, ProgressLine } from '../shared/progress.js'

interface Options {
  out?: string
  scheme: Scheme
  seeds: number
  grid?: boolean
  json?: boolean
}

export const trainCommand = new Command('train')
  .description('train a TorchScript classifier by SGD or SAM, with or without optimum shifting')
  .argument('<config>', 'JSON file of settings; docs/training.md lists them')
  .option('--out <dir>', 'folder of the runs (default: runs/NAME, where NAME is that of the configuration)')
  .addOption(
    new Option('--scheme <name>', 'optimizer, and whether shifts are added')
      .choices(['sgd', 'sgd+sos', 'sam', 'sam+sos'])
      .default('sgd+sos'),
  )
  .option(
    '--seeds <n>',
    'number of runs of each scheme; their seeds are consecutive, from that of the configuration',
    wholeNumber(1, 1_000_000),
    1,
  )
  .addOption(new Option('--grid', 'run all four schemes').conflicts('scheme'))
  .option('--json', 'print one JSON document: report.json')
  .addHelpText(
    'after',
    `
A preset gives the settings that the file leaves out: paper, paper-mixup, crop-flip or cpu-small. A file needs at least:
  { "preset": "cpu-small", "model": "wide_small.pt", "train": "cifar10:DIR:train", "test": "cifar10:DIR:test" }

Each run has a folder with run.jsonl, its checkpoints and, at the end, model.pt. report.html is written after each epoch.
Ctrl-C ends the run after the current step and writes a checkpoint; the same command, which is printed then, continues.
To train on several processes, start them by torchrun:
  torchrun --nproc-per-node 2 --no-python npx optimum-shifting train config.json
Example:
  python scripts/export/export_cifar.py wide_small --classes 10 --out wide_small.pt
  sos data fetch cifar10
  sos train config.json --grid --seeds 3`,
  )
  .action(async (path: string, options: Options) => {
    const sos = await library()
    const config = sos.parseConfig(await readJson(path), path)
    const name = basename(path, extname(path))
    const experiment = {
      out: options.out ?? join('runs', name),
      schemes: options.grid ? sos.trainingSchemes : [options.scheme],
      seeds: options.seeds,
    }
    const runs = sos.experimentRuns(config, experiment)
    expectOtherOutputs(path, config, experiment.out, runs)
    const between = config.device.startsWith('cuda') && sos.ProcessGroup.backends().includes('nccl')
    const parallel = await sos.joinProcesses({ backend: between ? 'nccl' : 'gloo' })
    const report = async () => sos.writeTrainingReport(experiment.out, name, await recordsOf(runs))
    const reportOnTheWay = withOneComplaint(report)
    const place = placesOf(runs, (folder) => existsSync(join(folder, 'model.pt')))
    const by = parallel.size > 1 ? ', by torchrun as before' : ''
    const again = `The same command continues${by}: ${commandLine()}`
    await untilInterrupted(
      () => `interrupted; a checkpoint was written. ${again}`,
      async (signal) => {
        const follow = (run: ExperimentRun, trainer: Trainer) => {
          if (parallel.rank !== 0) return
          followRun(run, trainer, options.json === true, place(run, trainer))
          trainer.on('epochEnd', reportOnTheWay)
        }
        const done = await sos.runExperiment(config, { ...experiment, parallel, signal, onRun: follow })
        if (!done) signal.throwIfAborted()
      },
    )
    if (parallel.rank !== 0) return
    await printTraining(name, await recordsOf(runs), options)
    const written = await report()
    if (!options.json) printLine(`Written: ${written.page} and ${written.json}`)
  })

/** Checks that the files of an experiment are not among those that it reads. */
function expectOtherOutputs(
  path: string,
  { model }: TrainingConfig,
  out: string,
  runs: readonly ExperimentRun[],
): void {
  const models = runs.map(({ seed }) => model.replaceAll('{seed}', String(seed)))
  const reports = ['report.html', 'report.json'].map((file) => join(out, file))
  for (const output of [...reports, ...runs.map(({ folder }) => join(folder, 'model.pt'))]) {
    expectOtherFile(output, [path, ...models])
  }
}

/** The records of the runs so far; a run that has not begun has no lines. */
async function recordsOf(runs: readonly ExperimentRun[]): Promise<TrainingRun[]> {
  const { readRunRecord } = await library()
  return Promise.all(
    runs.map(async ({ scheme, seed, folder }) => {
      const lines = await readRunRecord(join(folder, 'run.jsonl')).catch((error) => {
        if (error.code === 'ERR_FILE_NOT_FOUND') return []
        throw error
      })
      return { scheme, seed, lines }
    }),
  )
}

/** Writes the report during a training, where it is a convenience: the first failure is printed, and the training continues. */
function withOneComplaint(report: () => Promise<unknown>): () => Promise<void> {
  let complained = false
  return async () => {
    try {
      await report()
    } catch (error) {
      const { message } = error as Error
      if (!complained)
        process.stderr.write(`sos: the report cannot be written; the training continues: ${message}\n`)
      complained = true
    }
  }
}

async function printTraining(name: string, runs: TrainingRun[], { json }: Options): Promise<void> {
  const { summariseTraining, trainingFindings, trainingTables } = await library()
  if (json) {
    const { trainingDocument } = await import('../../report/internal.js')
    return printJson(trainingDocument(name, runs))
  }
  printLine()
  printTables(trainingTables(runs))
  for (const sentence of trainingFindings(summariseTraining(runs))) printLine(`- ${sentence}`)
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    const code = cause.code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE'
    throw new SosError(code, `${path}: cannot be read: ${cause.message}`, { cause })
  })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SosError('ERR_CONFIG', `${path}: expected JSON but ${(cause as Error).message}`, { cause })
  }
}

/** The place of a run among all runs, and the time that is left for all. */
interface Place {
  /** For example `run 2 of 12, `; '' if there is only one run. */
  readonly name: string
  /** The time left for all runs, after an epoch that took so many seconds; '' if nothing is left. */
  left(epoch: number, seconds: number): string
}

/** Gives the place of each run that is trained. It assumes that coming epochs take as long as those before, on average. */
function placesOf(runs: readonly ExperimentRun[], isDone: (folder: string) => boolean) {
  const done = new Set(runs.filter(({ folder }) => isDone(folder)).map(({ folder }) => folder))
  let [epochsTaken, secondsTaken] = [0, 0]
  return (run: ExperimentRun, trainer: Trainer): Place => {
    const at = runs.findIndex(({ folder }) => folder === run.folder)
    const later = runs.slice(at + 1).filter(({ folder }) => !done.has(folder)).length
    return {
      name: runs.length === 1 ? '' : `run ${at + 1} of ${runs.length}, `,
      left(epoch, seconds) {
        epochsTaken++
        secondsTaken += seconds
        const epochs = trainer.epochs - epoch - 1 + later * trainer.epochs
        if (epochs === 0) return ''
        const time = duration((epochs * secondsTaken) / epochsTaken)
        return `, ${time} left${runs.length === 1 ? '' : ' for all'}`
      },
    }
  }
}

/** Shows a progress line for each epoch, and then a line of its results. */
function followRun(
  { scheme, seed }: ExperimentRun,
  trainer: Trainer,
  quiet: boolean,
  { name, left }: Place,
): void {
  const { epochs } = trainer
  const results: string[] = []
  let line: ProgressLine | undefined
  let batches = 0
  let begun = 0
  trainer.on('runStart', ({ resumed, batchesPerEpoch, epoch }) => {
    batches = batchesPerEpoch
    if (resumed && !quiet) printLine(`${name}${scheme}, seed ${seed}: continues in epoch ${epoch + 1}`)
  })
  const progress = (epoch: number) =>
    new ProgressLine(`${name}${scheme}, seed ${seed}, epoch ${epoch + 1}/${epochs}`)
  trainer.on('batchEnd', ({ epoch, batch }) => {
    if (line === undefined) begun = batch
    line ??= progress(epoch)
    line.update({ done: batch + 1, total: batches, resumed: begun })
  })
  trainer.on('shift', ({ shift }) => {
    results.push(`‖V‖ ${figure(shift.normBefore)} → ${figure(shift.normAfter)}`)
  })
  trainer.on('evaluation', ({ evaluation }) => results.push(`test ${percent(evaluation.top1)}`))
  trainer.on('probe', ({ probe }) => {
    if (probe.trace === null) return
    const { trace, standardError } = probe.trace
    results.push(`tr(H) ${figure(trace)}${standardError === null ? '' : ` ± ${figure(standardError, 2)}`}`)
  })
  trainer.on('epochEnd', ({ epoch, loss, accuracy, seconds }) => {
    line?.end()
    line = undefined
    const trained = `loss ${figure(loss)}, train ${percent(accuracy)}`
    const text = [trained, ...results.splice(0), `${seconds.toFixed(1)} s`].join(', ')
    const rest = left(epoch, seconds)
    if (!quiet) printLine(`${name}${scheme}, seed ${seed}, epoch ${epoch + 1}/${epochs}: ${text}${rest}`)
  })
}
