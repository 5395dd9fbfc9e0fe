import { dirname } from 'node:path'
import { LineFile, makeFolderSync, SosError, whole } from '../../base/index.js'
import type { ShiftRecord } from '../../shift/index.js'

import type { Plugin, Trainer } from '../trainer.js'
import type {} from './evaluate-during-training.js'
import type {} from './probe-during-training.js'
import { formatLine, parseLines, type RunLine } from './run-record.js'
import type { ShiftEvent } from './sos-during-training.js'

/**
 * A plugin that writes what happens in a run to a file such as `run.jsonl`, one line of JSON for each event, as it happens. A resumed run
 * continues the file from the line at which its checkpoint was written; later lines, of epochs that are done again, are removed. If
 * there are several processes, only the first writes. Add it after the plugins whose results it is to record.
 *
 * The plugin fails the run with `ERR_OUTPUT` if the file cannot be written, with `ERR_RECORD` if the file exists and is not the record of a
 * run, and with `ERR_LOCKED` if another process uses it.
 *
 * @param path the path of the file; missing folders are made
 * @param about any JSON, for the first line. Default: an empty object
 * @returns the plugin, for `trainer.use`
 * @example
 * trainer.use(evaluateDuringTraining(test), recordRun('out/examples/run.jsonl', { network: 'fashion-resnet' }))
 * await trainer.run()
 * const lines = await readRunRecord('out/examples/run.jsonl')
 * console.log(lines.map(({ event }) => event)) // → [ 'run', 'evaluation', 'epoch' ]
 */
export function recordRun(path: string, about: Record<string, unknown> = {}): Plugin {
  return (trainer) => {
    if (trainer.parallel.rank !== 0) return
    const recorder = new RunRecorder(path, trainer)
    trainer.on('runStart', ({ resumed, epochs, batchesPerEpoch }) => {
      recorder.open(resumed, { event: 'run', epochs, batchesPerEpoch, about })
    })
    trainer.on('shift', ({ epoch, shift, momentum }) => recorder.append(shiftLine(epoch, shift, momentum)))
    trainer.on('evaluation', ({ epoch, evaluation }) => {
      const { top1, top5, loss, calibrationError, images } = evaluation
      recorder.append({ event: 'evaluation', epoch, top1, top5, loss, calibrationError, images })
    })
    trainer.on('probe', ({ epoch, probe }) => recorder.append({ event: 'probe', epoch, ...probe }))
    trainer.on('epochEnd', ({ epoch, step, learningRate, loss, accuracy, seconds }) => {
      recorder.append({ event: 'epoch', epoch, step, learningRate, loss, accuracy, seconds })
    })
    trainer.on('runEnd', () => recorder.close())
    trainer.on('error', () => recorder.close())
  }
}

/** The name under which the checkpoints have the number of lines written. */
const extraName = 'recordedLines'

/** The file of a run's record while the run is at work. */
class RunRecorder {
  readonly #path: string
  readonly #extra: Trainer['extra']
  #file: LineFile | null = null
  #lines = 0

  constructor(path: string, { extra }: Trainer) {
    this.#path = path
    this.#extra = extra
  }

  /** @param first the first line, for a record that begins */
  open(resumed: boolean, first: RunLine): void {
    const lines = resumed ? (this.#extra[extraName] ?? 0) : 0
    whole(0, 1e9, 'ERR_CHECKPOINT')(`${extraName} in the checkpoint`, lines)
    this.#file = openWith(this.#path, lines as number)
    this.#lines = lines as number
    if (lines === 0) this.append(first)
  }

  append(line: RunLine): void {
    this.#file!.append(formatLine(line))
    this.#lines++
    this.#extra[extraName] = this.#lines
  }

  close(): void {
    this.#file?.close()
    this.#file = null
  }
}

function shiftLine(epoch: number, shift: ShiftRecord, momentum: ShiftEvent['momentum']): RunLine {
  const { layer, batchSize, rank, inFeatures, normBefore, normAfter, batchLogitChange } = shift
  const { classesCovered, classes, milliseconds, warnings, certificate } = shift
  return {
    event: 'shift',
    epoch,
    layer,
    batchSize,
    rank,
    inFeatures,
    normBefore,
    normAfter,
    batchLogitChange,
    drift: certificate && { largest: certificate.maxLogitChange, safe: certificate.marginSafeShare },
    classesCovered,
    classes,
    momentum,
    milliseconds,
    warnings: [...warnings],
  }
}

/** Opens the file to append to it, with only its first `lines` lines. */
function openWith(path: string, lines: number): LineFile {
  makeFolderSync(dirname(path))
  const file = new LineFile(path, 'continue')
  try {
    const whole = file.text.split('\n').slice(0, -1)
    if (whole.length < lines) {
      throw new SosError(
        'ERR_RECORD',
        `${path}: expected the ${lines} lines that the run had written at its checkpoint but the file has ${whole.length}: the record cannot be continued`,
      )
    }
    // The record of a run that left no checkpoint begins anew. A file that is not a record must not be emptied, though.
    const kept = whole.slice(0, lines === 0 ? 1 : lines)
    parseLines(path, kept)
    const begins = '{"event":"run"'
    if (whole.length === 0 && !begins.startsWith(file.text) && !file.text.startsWith(begins))
      parseLines(path, [file.text])
    file.truncate(lines === 0 ? 0 : Buffer.byteLength(`${kept.join('\n')}\n`))
    return file
  } catch (error) {
    file.close()
    throw error
  }
}
