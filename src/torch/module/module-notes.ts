/** What was found out about a module. */
export interface ModuleNotes {
  /** Whether the warning `SOS_TRACED_MODE` was given. */
  tracedMode: boolean
  /** The warning that the module is random in eval mode, or null if it is not; undefined before anyone looked. */
  random?: string | null
}

/**
 * Warns, once for a module and its views, that `train()` and `eval()` do not change what a traced module computes.
 *
 * @param training the mode in which the module was traced
 */
export function warnOfTracedMode(notes: ModuleNotes, path: string, training: boolean): void {
  if (notes.tracedMode) return
  notes.tracedMode = true
  process.emitWarning(
    `${path} was traced in ${training ? 'train' : 'eval'} mode, and its graph keeps that mode: train() and eval() do not change what it computes. Export the model with torch.jit.script to train it`,
    { code: 'SOS_TRACED_MODE' },
  )
}
