import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  expectObject,
  FileLock,
  makeFolder,
  parseForeignJson,
  SosError,
  someCount,
  writeAtomically,
} from '../../base/index.js'
import { type Dataset, openDataset } from '../../data/index.js'
import { areNumbers } from '../../data/internal.js'
import { checkpointRecord, datasetFor, preprocessOf, withClasses } from '../../model/index.js'
import { recordFile } from '../../model/internal.js'
import { ScriptModule, torch } from '../../torch/index.js'
import { difference } from '../json-difference.js'
import { alone, inTheFirst, type Parallel } from '../parallel.js'
import { evaluateDuringTraining } from '../plugins/evaluate-during-training.js'
import { probeDuringTraining } from '../plugins/probe-during-training.js'
import { recordRun } from '../plugins/record-run.js'
import { sosDuringTraining } from '../plugins/sos-during-training.js'
import { type Plugin, Trainer } from '../trainer.js'
import type { Scheme, TrainingConfig } from './config-schema.js'
import { trainerOptions } from './run-options.js'

/** A run of an experiment. */
export interface ExperimentRun {
  readonly scheme: Scheme
  readonly seed: number
  /** Where its record, checkpoints and trained model are. */
  readonly folder: string
}

export interface ExperimentOptions {
  schemes: readonly Scheme[]
  /** Runs of each scheme, with the seeds from the configuration's on. */
  seeds: number
  /** The folder of the experiment. */
  out: string
  /** Listens to each run's trainer, after all else. */
  onRun?: (run: ExperimentRun, trainer: Trainer) => void
  /** The processes that train together. Default: this one alone. */
  parallel?: Parallel
  signal?: AbortSignal
}

/** The file of a run that is done. */
const trainedModel = 'model.pt'

/** The runs of an experiment, in the order in which they are trained: all schemes of a seed before the next seed. */
export function experimentRuns(
  config: TrainingConfig,
  options: Pick<ExperimentOptions, 'schemes' | 'seeds' | 'out'>,
): ExperimentRun[] {
  expectObject('options', options)
  const { schemes, seeds, out } = options
  someCount('seeds', seeds)
  return Array.from({ length: seeds }, (_, i) => config.seed + i).flatMap((seed) =>
    schemes.map((scheme) => ({ scheme, seed, folder: join(out, `${scheme}-seed${seed}`) })),
  )
}

/**
 * Trains the configuration's model by each scheme and seed, each in a folder of its own with `run.jsonl`, checkpoints and, when
 * it is done, `model.pt`. Runs that are done are not done again, one that was ended goes on from its last checkpoint: to go on
 * with an experiment is to start it again.
 *
 * @returns whether all runs are done; false where the signal aborted
 * @throws `ERR_CONFIG` where the folder holds an experiment with another configuration, `ERR_LOCKED` where another process trains one
 *   of the runs, and what a run throws
 */
export async function runExperiment(config: TrainingConfig, options: ExperimentOptions): Promise<boolean> {
  expectObject('options', options)
  const { out, parallel = alone } = options
  const runs = experimentRuns(config, options)
  const locks: FileLock[] = []
  let restore = () => {}
  try {
    await inTheFirst(parallel, async () => {
      await claim(out, config)
      // All that are to be trained, and at once: none is to wait hours to hear that another command trains it.
      for (const { folder } of await unfinished(runs)) {
        await makeFolder(folder)
        locks.push(new FileLock(join(folder, trainedModel)))
      }
    })
    restore = withDeterminism(config.deterministic)
    return await trainAll(config, runs, options)
  } finally {
    restore()
    for (const lock of locks) lock.release()
  }
}

/** Sets the process-wide switch; the function that it returns sets it back. */
function withDeterminism(mode: boolean): () => void {
  const before = torch.areDeterministicAlgorithmsEnabled()
  const warnOnly = torch.isDeterministicAlgorithmsWarnOnlyEnabled()
  torch.useDeterministicAlgorithms(mode, { warnOnly: true })
  return () => torch.useDeterministicAlgorithms(before, { warnOnly })
}

async function trainAll(
  config: TrainingConfig,
  runs: readonly ExperimentRun[],
  options: ExperimentOptions,
): Promise<boolean> {
  const { onRun, parallel = alone, signal } = options
  const datasets = new Map<string, Promise<Dataset>>()
  for (const run of runs) {
    if (await isFinished(run)) continue
    const trainer = await prepare(config, run, parallel, datasets)
    onRun?.(run, trainer)
    await trainer.resume()
    const reason = await trainer.run(signal && { signal })
    if (reason !== 'done') return false
    if (parallel.rank === 0) {
      await trainer.model.save(join(run.folder, trainedModel), { extraFiles: withClassNames(trainer) })
    }
    trainer.model.dispose()
  }
  return true
}

async function prepare(
  config: TrainingConfig,
  { scheme, seed, folder }: ExperimentRun,
  parallel: Parallel,
  datasets: Map<string, Promise<Dataset>>,
): Promise<Trainer> {
  const { sos, evaluate, probes } = config
  const device = parallel.device(config.device)
  const model = await ScriptModule.load(config.model.replaceAll('{seed}', String(seed)), { device })
  if (config.channelsLast) await model.to({ memoryFormat: 'channels_last' })
  const open = (spec: string): Promise<Dataset> => {
    const opened = datasets.get(spec) ?? openDataset(spec, preprocessOf(model))
    datasets.set(spec, opened)
    return opened
  }
  const train = datasetFor(model, await open(config.train))
  const trainer = new Trainer(model, {
    ...trainerOptions(config, scheme, seed),
    device,
    data: train,
    checkpoints: { folder, ...config.checkpoints },
    parallel,
  })
  const plugins: Plugin[] = []
  if (scheme.endsWith('+sos')) plugins.push(sosDuringTraining(sos))
  if (config.test !== undefined) {
    plugins.push(evaluateDuringTraining(withClasses(await open(config.test), train.classes), evaluate))
  }
  if (probes !== null) plugins.push(probeDuringTraining(probes))
  return trainer.use(...plugins, recordRun(join(folder, 'run.jsonl'), { scheme, seed, config }))
}

/** The model's record, with the names of the classes that it was trained on where it has none yet. */
function withClassNames({ model, data }: Trainer): Record<string, string> {
  const record = checkpointRecord(model)
  if (record === null || record.classes !== null || areNumbers(data.classes)) return {}
  return { [recordFile]: JSON.stringify({ ...record, classes: data.classes }) }
}

/** Makes the folder this configuration's, unless it is another's. */
async function claim(out: string, config: TrainingConfig): Promise<void> {
  const path = join(out, 'config.json')
  await makeFolder(out)
  const before = await readFile(path, 'utf8').catch((cause) => {
    if (cause.code === 'ENOENT') return null
    throw new SosError('ERR_CONFIG', `${path}: cannot be read: ${cause.message}`, { cause })
  })
  if (before === null) {
    return writeAtomically(path, (file) => writeFile(file, `${JSON.stringify(config, null, 2)}\n`))
  }
  const differing = difference(parsed(before, path), config)
  if (differing === null) return
  throw new SosError(
    'ERR_CONFIG',
    `${out} holds an experiment with another configuration: ${differing}; take another folder by --out, or remove this one`,
  )
}

function parsed(text: string, path: string): unknown {
  try {
    return parseForeignJson(text)
  } catch (cause) {
    throw new SosError('ERR_CONFIG', `${path}: expected JSON but ${(cause as Error).message}`, { cause })
  }
}

async function unfinished(runs: readonly ExperimentRun[]): Promise<ExperimentRun[]> {
  const left: ExperimentRun[] = []
  for (const run of runs) if (!(await isFinished(run))) left.push(run)
  return left
}

/** Whether its trained model is there. Throws `ERR_CONFIG` for a file that is none. */
async function isFinished({ folder }: ExperimentRun): Promise<boolean> {
  const path = join(folder, trainedModel)
  try {
    await stat(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    throw new SosError('ERR_FILE_UNREADABLE', `${path}: cannot be read: ${message}`, { cause })
  }
  try {
    const model = await ScriptModule.load(path)
    model.dispose()
    return true
  } catch (cause) {
    throw new SosError(
      'ERR_CONFIG',
      `${path}: expected the run's trained model but it cannot be loaded (${(cause as Error).message}); remove it, and the run goes on from its last checkpoint`,
      { cause },
    )
  }
}
