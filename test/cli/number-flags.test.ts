import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'

import { dataCommand } from '../../src/cli/commands/data.js'
import { demoCommand } from '../../src/cli/commands/demo.js'
import { doctorCommand } from '../../src/cli/commands/doctor.js'
import { evalCommand } from '../../src/cli/commands/eval.js'
import { inspectCommand } from '../../src/cli/commands/inspect.js'
import { sharpnessCommand } from '../../src/cli/commands/sharpness.js'
import { shiftCommand } from '../../src/cli/commands/shift.js'
import { studyCommand } from '../../src/cli/commands/study.js'
import { trainCommand } from '../../src/cli/commands/train.js'
import { sos } from '../support/cli.js'
import { demoModel, fashionMnist } from '../support/paths.js'

const commands: Command[] = [
  ...[dataCommand, demoCommand, doctorCommand, evalCommand, inspectCommand],
  ...[sharpnessCommand, shiftCommand, studyCommand, trainCommand],
]
const flags = commands
  .flatMap((command) => [command, ...command.commands])
  .flatMap((command) =>
    command.options.map((option) => [`${command.name()} ${option.flags}`, option] as const),
  )
  .filter(([name]) => /<(n|b,…|a,b,c)>/.test(name))

describe('a flag that takes a number', () => {
  it('is known', () => {
    expect(flags.length).toBeGreaterThan(30)
  })

  it.each(flags)('refuses what is none: %s', (name, { parseArg }) => {
    const wrong = [
      '',
      ' ',
      'NaN',
      'Infinity',
      '-Infinity',
      'three',
      '1,',
      ',',
      '1 2',
      'null',
      'undefined',
      '1n',
    ]
    if (!name.includes('<a,b,c>'))
      wrong.push('-1', '1.5', '1e3', '0x10', '+1', '1_0', '9007199254740992', '1'.repeat(400))
    for (const text of wrong) {
      expect(() => parseArg!(text, undefined), `${name} ${text}`).toThrow(
        expect.objectContaining({ code: 'commander.invalidArgument' }),
      )
    }
  })

  it.each([
    ['eval', '--limit', '0'],
    ['eval', '--chunk', '1.5'],
    ['sharpness', '--probes', '0'],
    ['landscape', '--grid', '0'],
    ['shift', '--held-out', '-1', '--out', 'nowhere.pt'],
    ['study', '--draws', '1e9', '--train', 'x', '--val', 'y', '--batch-sizes', '1'],
    ['study', '--batch-sizes', '10,,20', '--train', 'x', '--val', 'y'],
  ])('ends %s with 2: %s %s', async (command, ...args) => {
    const data = command === 'study' ? [] : ['--data', `idx:${fashionMnist}:test`]
    expect(await sos(command, demoModel, ...data, ...args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('whole number'),
    })
  })
})
