import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

import { SosError } from '../../torch/errors.js'
import type { Plugin } from '../trainer.js'
import { formatLine, type RunLine } from './run-record.js'

/** Where a trainer's checkpoints keep how many lines were written. */
const extraName = 'recordedLines'

/**
 * Writes what happens in a run, a line of JSON for each event, to a file such as `run.jsonl`, as it happens. A resumed run
 * goes on where its checkpoint was: later lines, of epochs that are done again, are removed. Of several processes the first
 * writes. Add it after the plugins whose results it records.
 *
 * @param about goes into the first line: any JSON
 * @throws (in the run) `ERR_OUTPUT` where the file cannot be written
 */
export function recordRun(path: string, about: Record<string, unknown> = {}): Plugin {
  return (trainer) => {
    if (trainer.parallel.rank !== 0) return
    let file: number | null = null
    let lines = 0
    const append = (line: RunLine) => {
      writeSync(file!, formatLine(line))
      lines++
      trainer.extra[extraName] = lines
    }
    trainer.on('runStart', ({ resumed, epochs, batchesPerEpoch }) => {
      const kept = resumed ? Number(trainer.extra[extraName] ?? 0) : 0
      file = openWith(path, kept)
      lines = kept
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
      if (file !== null) closeSync(file)
      file = null
    }
    trainer.on('runEnd', close)
    trainer.on('error', close)
  }
}

/** Opens the file to append to, with its first `lines` lines alone. */
function openWith(path: string, lines: number): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    if (lines === 0) return openSync(path, 'w')
    const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    if (whole.length < lines) throw new Error(`it has not the ${lines} lines that the checkpoint tells of`)
    truncateSync(path, Buffer.byteLength(`${whole.slice(0, lines).join('\n')}\n`))
    return openSync(path, 'a')
  } catch (cause) {
    throw new SosError('ERR_OUTPUT', `${path}: the record cannot be continued: ${(cause as Error).message}`, {
      cause,
    })
  }
}
