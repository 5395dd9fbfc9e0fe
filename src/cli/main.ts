#!/usr/bin/env node
import { readFileSync } from 'node:fs'

import { Command, CommanderError } from 'commander'

import { dataCommand } from './commands/data.js'
import { demoCommand } from './commands/demo.js'
import { doctorCommand } from './commands/doctor.js'
import { evalCommand } from './commands/eval.js'
import { inspectCommand } from './commands/inspect.js'
import { landscapeCommand } from './commands/landscape.js'
import { setupCommand } from './commands/setup.js'
import { sharpnessCommand } from './commands/sharpness.js'
import { shiftCommand } from './commands/shift.js'
import { studyCommand } from './commands/study.js'
import { trainCommand } from './commands/train.js'
import { endAtInterrupt } from './shared/interrupt.js'
import { outliveReaders } from './shared/output.js'

endAtInterrupt()
outliveReaders()

const failed = 1
const wrongUse = 2
/** The exit code that shells report for a process that SIGINT ended. */
const interrupted = 130
/** Codes of errors in what was typed, not in the files that it names. */
const usageCodes = new Set([
  'ERR_SPEC',
  'ERR_PRESET',
  'ERR_PREPROCESS',
  'ERR_NO_PREPROCESS',
  'ERR_DEVICE',
  'ERR_RANK_POLICY',
  'ERR_CONFIG',
  'ERR_ENVIRONMENT',
  'ERR_SAME_FILE',
])

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

const program = new Command('sos')
  .description('Shift, evaluate, measure and train TorchScript classifiers.')
  .version(version)
  .showHelpAfterError('(run `sos COMMAND --help` for more)')
  .exitOverride()

for (const command of [
  setupCommand,
  doctorCommand,
  demoCommand,
  inspectCommand,
  evalCommand,
  shiftCommand,
  studyCommand,
  trainCommand,
  sharpnessCommand,
  landscapeCommand,
  dataCommand,
]) {
  program.addCommand(command)
  for (const each of [command, ...command.commands]) each.exitOverride().copyInheritedSettings(program)
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** Prints an error in one line. The stack follows only if the error has no code, so that nobody expected it, or if SOS_DEBUG is set. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : wrongUse
  const known = error instanceof Error && 'code' in error
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`sos: ${message}\n`)
  if ((!known || process.env.SOS_DEBUG) && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  if (known && error.code === 'ERR_INTERRUPTED') return interrupted
  return known && usageCodes.has(String(error.code)) ? wrongUse : failed
}
