import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
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
import { type Dataset, openDataset, type Preprocess } from '../../data/index.js'
import { areNumbers } from '../../data/internal.js'
import { checkpointRecord, datasetFor, withClasses } from '../../model/index.js'
import { recordFile } from '../../model/internal.js'
import { ScriptModule, torch } from '../../torch/index.js'
import { difference } from '../json-difference.js'
import { alone, inTheFirst, type Parallel } from '../parallel.js'
import { evaluateDuringTraining } from '../plugins/evaluate-during-training.js'
import { probeDuringTraining } from '../plugins/probe-during-training.js'
import { recordRun } from '../plugins/record-run.js'
import { sosDuringTraining } from '../plugins/sos-during-training.js'
import { type Plugin, Trainer } from '../trainer.js'
import { parseConfig } from './config.js'
import type { Scheme, TrainingConfig } from './config-schema.js'
import { trainerOptions } from './run-options.js'

/** A run of an experiment: one scheme with one seed. */
export interface ExperimentRun {
  readonly scheme: Scheme
  readonly seed: number
  /** The folder of its record, its checkpoints and its trained model. */
  readonly folder: string
}

/** Options of {@link runExperiment}. */
export interface ExperimentOptions {
  /** The schemes to train by. */
  schemes: readonly Scheme[]
  /** The number of runs of each scheme. Their seeds are counted up from that of the configuration. */
  seeds: number
  /** The folder of the experiment. */
  out: string
  /** Is called with the trainer of each run before it begins, to add listeners behind all others. */
  onRun?: (run: ExperimentRun, trainer: Trainer) => void
  /** The processes that train together. Default: this one alone. */
  parallel?: Parallel
  /** Ends the experiment after the step at work, with a checkpoint. */
  signal?: AbortSignal
}

/** The file that a finished run has in its folder. */
const trainedModel = 'model.pt'

/**
 * Lists the runs of an experiment, in the order in which they are trained: all schemes with one seed, then all with the next.
 *
 * @param config the configuration, from `parseConfig`
 * @param options the schemes, the number of seeds and the folder of the experiment
 * @returns the runs
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * const data = { model: 'model.pt', train: 'cifar10:data:train' }
 * const config = parseConfig({ preset: 'paper', ...data }, 'config.json')
 * const runs = experimentRuns(config, { schemes: ['sgd', 'sgd+sos'], seeds: 2, out: 'runs/paper' })
 * console.log(runs.map(({ folder }) => folder).join(' '))
 * // → runs/paper/sgd-seed0 runs/paper/sgd+sos-seed0 runs/paper/sgd-seed1 runs/paper/sgd+sos-seed1
 */
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

const isRunFolder = (name: string): boolean => /-seed\d+$/.test(name)

/**
 * Trains the model of a configuration with each scheme and each seed. Each run has a folder of its own with `run.jsonl`, its checkpoints and,
 * when it is finished, `model.pt`. Finished runs are not repeated, and an interrupted run continues from its last checkpoint. So an
 * experiment is continued by starting it again.
 *
 * @param config the configuration, from `parseConfig`
 * @param options the schemes, the number of seeds, the folder, and who listens; see {@link ExperimentOptions}
 * @returns whether all runs are finished; false if the signal aborted
 * @throws `ERR_CONFIG` if the folder holds an experiment with another configuration, `ERR_LOCKED` if another process trains one of the runs,
 *   and whatever a run throws
 * @example
 * const config = parseConfig(
 *   {
 *     model: 'assets/fashion-resnet.pt',
 *     train: 'idx:assets/fashion-mnist:test',
 *     epochs: 1,
 *     batchSize: 1000,
 *     optimizer: { name: 'sgd', learningRate: 0.01 },
 *   },
 *   'config.json',
 * )
 * const signal = AbortSignal.abort() // so that this example trains nothing
 * console.log(await runExperiment(config, { schemes: ['sgd'], seeds: 1, out: 'out/examples/experiment', signal })) // → false
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
      // All unfinished runs are locked at once, so that no command learns only after hours that another one trains a run.
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

/** Sets the switch for the whole process. @returns a function that sets it back */
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
    const opened = datasets.get(spec) ?? openDataset(spec, preprocessToTrain(model))
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

/** How the images of a model are preprocessed. Only the record of its file can say it. */
function preprocessToTrain(model: ScriptModule): Preprocess {
  const record = checkpointRecord(model)
  if (record !== null) return record.preprocess
  throw new SosError(
    'ERR_NO_PREPROCESS',
    `${model.path}: expected to know how its images are preprocessed but it carries no ${recordFile}; save the model with one, model.save(FILE, { extraFiles: { '${recordFile}': … } }), as docs/training.md shows, or export it by one of scripts/export`,
  )
}

/** The record of a model, with the names of the classes that it was trained on if it has no names yet. */
function withClassNames({ model, data }: Trainer): Record<string, string> {
  const record = checkpointRecord(model)
  if (record === null || record.classes !== null || areNumbers(data.classes)) return {}
  return { [recordFile]: JSON.stringify({ ...record, classes: data.classes }) }
}

/** Claims the folder for this configuration, unless it holds runs of another. */
async function claim(out: string, config: TrainingConfig): Promise<void> {
  const path = join(out, 'config.json')
  await makeFolder(out)
  const before = await readFile(path, 'utf8').catch((cause) => {
    if (cause.code === 'ENOENT') return null
    throw new SosError('ERR_CONFIG', `${path}: the file cannot be read: ${cause.message}`, { cause })
  })
  const write = () => writeAtomically(path, (file) => writeFile(file, `${JSON.stringify(config, null, 2)}\n`))
  if (before === null) return write()
  const document = parsed(before, path)
  const differing = difference(document, config)
  if (differing === null) return
  if (isConfig(document, path) && !(await hasBegun(out))) return write()
  throw new SosError(
    'ERR_CONFIG',
    `${out}: expected an experiment with this configuration but the folder holds one with another configuration: ${differing}; choose another folder with --out, or remove this one`,
  )
}

/** Whether a document is a configuration of a training. A file that is something else must not be written over. */
function isConfig(document: unknown, path: string): boolean {
  try {
    parseConfig(document, path)
    return true
  } catch {
    return false
  }
}

/**
 * Whether a run has begun in the folder: it has written something, or holds its lock. A run that failed before its first step has not. The folders of
 * runs alone are looked into, because another process may make and remove files beside them at this moment.
 */
async function hasBegun(out: string): Promise<boolean> {
  for (const entry of await readdir(out, { withFileTypes: true })) {
    if (!entry.isDirectory() || !isRunFolder(entry.name)) continue
    const inside = await readdir(join(out, entry.name)).catch((cause) => {
      if (cause.code === 'ENOENT') return [] // it was removed meanwhile
      throw new SosError(
        'ERR_CONFIG',
        `${join(out, entry.name)}: the folder of a run cannot be read: ${cause.message}`,
        { cause },
      )
    })
    if (inside.length > 0) return true
  }
  return false
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

/** Whether the trained model of a run exists. Throws `ERR_CONFIG` if the file is not a model. */
async function isFinished({ folder }: ExperimentRun): Promise<boolean> {
  const path = join(folder, trainedModel)
  try {
    await stat(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    throw new SosError('ERR_FILE_UNREADABLE', `${path}: the file cannot be read: ${message}`, { cause })
  }
  try {
    const model = await ScriptModule.load(path)
    model.dispose()
    return true
  } catch (cause) {
    throw new SosError(
      'ERR_CONFIG',
      `${path}: expected the run's trained model but the file cannot be loaded (${(cause as Error).message}); remove it, and the run continues from its last checkpoint`,
      { cause },
    )
  }
}
