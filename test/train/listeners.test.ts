import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ScriptModule, sgd, Trainer } from '../../src/index.js'
import type { TrainerEvents, WaitingEvent } from '../../src/train/index.js'

import { vectors } from '../support/datasets.js'
import { fixture, temporaryFolder } from '../support/paths.js'

const perceptron = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const plain = { data: vectors(20), batchSize: 6, optimizer: sgd({ learningRate: 0.05 }) }
const names = ['runStart', 'epochStart', 'batchStart', 'batchEnd', 'shift', 'evaluation', 'probe'] as const
const all: (keyof TrainerEvents)[] = [...names, 'checkpoint', 'epochEnd', 'runEnd']

/** The names of a trainer's events as they come. */
function heard(trainer: Trainer): string[] {
  const events: string[] = []
  for (const name of all) trainer.on(name, () => void events.push(name))
  return events
}

describe('the listeners of a trainer', () => {
  it('reports its events in order, and waits for what listeners ask it to', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 2 })
    const events = heard(trainer)
    trainer.on('epochStart', (event) => {
      event.waitUntil(new Promise((resolve) => setTimeout(resolve, 20)).then(() => events.push('waited')))
    })
    trainer.on('epochStart', () => void events.push('next listener'))
    expect(await trainer.run()).toBe('done')
    const epoch = ['epochStart', 'waited', 'next listener']
    for (let i = 0; i < 4; i++) epoch.push('batchStart', 'batchEnd')
    epoch.push('epochEnd')
    expect(events).toEqual(['runStart', ...epoch, ...epoch, 'runEnd'])
  })

  it('ends with the error of a listener, which it reports', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1 })
    let other = 'at work'
    trainer.on('batchEnd', (event) => {
      event.waitUntil(Promise.reject(new Error('of the listener')))
      event.waitUntil(
        new Promise((resolve) => setTimeout(resolve, 30)).then(() => {
          other = 'done'
        }),
      )
    })
    const errors: unknown[] = []
    trainer.on('error', ({ error, step }) => void errors.push([(error as Error).message, step]))
    await expect(trainer.run()).rejects.toThrow('of the listener')
    expect(errors).toEqual([['of the listener', 1]])
    expect(other).toBe('done')
  })

  it.each([
    'runStart',
    'epochStart',
    'batchStart',
    'batchEnd',
    'checkpoint',
    'epochEnd',
    'runEnd',
    'shift',
  ] as const)(
    'awaits an async listener of %s, and what it gives to waitUntil late; its rejection ends the run',
    async (name) => {
      const options = { ...plain, epochs: 1, checkpoints: { folder: temporaryFolder() } }
      const events: string[] = []
      const pause = () => sleep(5)
      const first = new Trainer(await perceptron(), options)
      first.on('epochStart', () => first.tell('shift', { shift: {} as never, momentum: 'keep' }))
      first.on(name, async ({ waitUntil }: WaitingEvent) => {
        events.push('begins')
        await pause()
        waitUntil(pause().then(() => events.push('ends')))
      })
      first.on(name, () => events.push('next'))
      expect(await first.run()).toBe('done')
      expect(events.slice(0, 3)).toEqual(['begins', 'ends', 'next'])
      expect(events.length % 3).toBe(0)

      const second = new Trainer(await perceptron(), {
        ...options,
        checkpoints: { folder: temporaryFolder() },
      })
      second.on('epochStart', () => second.tell('shift', { shift: {} as never, momentum: 'keep' }))
      second.once(name, async () => {
        await pause()
        throw new Error(`of ${name}`)
      })
      const told: unknown[] = []
      second.on('error', async ({ error }) => {
        await pause()
        told.push((error as Error).message)
      })
      await expect(second.run()).rejects.toThrow(`of ${name}`)
      expect(told).toEqual([`of ${name}`])
    },
  )

  it('waits for what a listener began before it threw, and refuses work that comes too late', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1 })
    let done = false
    let kept: ((work: Promise<void>) => void) | undefined
    trainer.on('batchEnd', ({ waitUntil }) => {
      kept = waitUntil
      waitUntil(
        sleep(20).then(() => {
          done = true
        }),
      )
      throw new Error('thrown')
    })
    await expect(trainer.run()).rejects.toThrow('thrown')
    expect(done).toBe(true)
    expect(() => kept!(Promise.resolve())).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})
