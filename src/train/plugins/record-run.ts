import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { LineFile, SosError, whole } from '../../base/index.js'

import type { Plugin } from '../trainer.js'
import type {} from './evaluate-during-training.js'
import type {} from './probe-during-training.js'
import { formatLine, parseLines, type RunLine } from './run-record.js'
import type {} from './sos-during-training.js'

/** Where a trainer's checkpoints keep how many lines were written. */
const extraName = 'recordedLines'

/**
 * Writes what happens in a run, a line of JSON for each event, to a file such as `run.jsonl`, as it happens. A resumed run
 * goes on where its checkpoint was: later lines, of epochs that are done again, are removed. Of several processes the first
 * writes. Add it after the plugins whose results it records.
 *
 * @param about goes into the first line: any JSON
 * @throws (in the run) `ERR_OUTPUT` where the file cannot be written, `ERR_RECORD` where it is there and no record of a run,
 *   `ERR_LOCKED` where another process works on it
 */
export function recordRun(path: string, about: Record<string, unknown> = {}): Plugin {
  return (trainer) => {
    if (trainer.parallel.rank !== 0) return
    let file: LineFile | null = null
    let lines = 0
    const append = (line: RunLine) => {
      file!.append(formatLine(line))
      lines++
      trainer.extra[extraName] = lines
    }
    trainer.on('runStart', ({ resumed, epochs, batchesPerEpoch }) => {
      const kept = resumed ? (trainer.extra[extraName] ?? 0) : 0
      whole(0, 1e9, 'ERR_CHECKPOINT')(`${extraName} in the checkpoint`, kept)
      file = openWith(path, kept as number)
      lines = kept as number
      if (kept === 0) append({ event: 'run', epochs, batchesPerEpoch, about })
    })
    trainer.on('shift', ({ epoch, shift, momentum }) => {
      const { layer, batchSize, rank, inFeatures, normBefore, normAfter, batchLogitChange } = shift
      const { classesCovered, classes, milliseconds, warnings, certificate } = shift
      const drift = certificate && {
        largest: certificate.maxLogitChange,
        safe: certificate.marginSafeShare,
      }
      append({
        event: 'shift',
        epoch,
        layer,
        batchSize,
        rank,
        inFeatures,
        normBefore,
        normAfter,
        batchLogitChange,
        drift,
        classesCovered,
        classes,
        momentum,
        milliseconds,
        warnings: [...warnings],
      })
    })
    trainer.on('evaluation', ({ epoch, evaluation }) => {
      const { top1, top5, loss, calibrationError, images } = evaluation
      append({ event: 'evaluation', epoch, top1, top5, loss, calibrationError, images })
    })
    trainer.on('probe', ({ epoch, probe }) => append({ event: 'probe', epoch, ...probe }))
    trainer.on('epochEnd', ({ epoch, step, learningRate, loss, accuracy, seconds }) => {
      append({ event: 'epoch', epoch, step, learningRate, loss, accuracy, seconds })
    })
    const close = () => {
      file?.close()
      file = null
    }
    trainer.on('runEnd', close)
    trainer.on('error', close)
  }
}

/** Opens the file to append to, with its first `lines` lines alone. */
function openWith(path: string, lines: number): LineFile {
  mkdirSync(dirname(path), { recursive: true })
  const file = new LineFile(path, 'continue')
  try {
    const whole = file.text.split('\n').slice(0, -1)
    if (whole.length < lines) {
      throw new SosError(
        'ERR_RECORD',
        `${path}: the record cannot be continued: it has not the ${lines} lines that the checkpoint tells of`,
      )
    }
    // What is of a run that left no checkpoint is begun again; what is no record is not this function's to empty.
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
