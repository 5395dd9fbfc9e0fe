/**
 * Whether something that happens every `everyEpochs` epochs is due after an epoch. The last epoch of a run always counts.
 *
 * @param epoch the epoch that ended, counted from 0
 * @param epochs the epochs of the run
 */
export function isDueAfter(epoch: number, everyEpochs: number, epochs: number): boolean {
  return (epoch + 1) % everyEpochs === 0 || epoch + 1 === epochs
}

/**
 * Whether something that happens every `everyEpochs` epochs, beginning with `startEpoch`, is due before an epoch.
 *
 * @param epoch the epoch that begins, counted from 0
 */
export function isDueBefore(epoch: number, everyEpochs: number, startEpoch: number): boolean {
  return epoch >= startEpoch && (epoch - startEpoch) % everyEpochs === 0
}
