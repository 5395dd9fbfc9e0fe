import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bounded, quantile } from '../statistics.mjs'

export const description =
  'how late the event loop is while ResNet-50 runs one forward after another; bound: p99 below 10 ms'

/** In milliseconds, at the 99th percentile. */
const bound = { bound: 10, floor: 0.1 }
const forwards = 30

export async function measure(context) {
  const model = exportResNet50(context)
  const { child } = await context.startOurs({ model })
  const rows = []
  for (const name of context.select(['idle', 'ResNet-50 forwards, batch 4'])) {
    const iterations = Math.max(1, Math.round(forwards * context.scale))
    const { value, seconds } = await child.request({ case: name, iterations })
    const { delay, late, waited } = value
    const also = { max: delay.max, mean: delay.mean, seconds, iterations, 'seconds without a core': waited }
    rows.push({ case: `event-loop delay p99, ${name}`, unit: 'ms', ...timed(delay.p99), also })
    const { p50, p99, max } = lateness(late)
    rows.push({
      case: `setTimeout(1) late p99, ${name}`,
      unit: 'ms',
      ...timed(p99),
      also: { p50, max, timers: late.length },
    })
  }
  return rows
}

/** A time that misses the target is only reported: other programs may use the machine too. */
function timed(ours) {
  const { pass: _, ...row } = bounded({ ...bound, ours })
  return { ...row, target: 1 }
}

function lateness(late) {
  return { p50: quantile(late, 0.5), p99: quantile(late, 0.99), max: quantile(late, 1) }
}

/**
 * How long the JavaScript thread could have run but had no core, as Linux counts it. The scheduler causes this delay, and not our
 * work on that thread. NaN on other systems.
 */
function secondsWithoutCore() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e9
  } catch {
    return Number.NaN
  }
}

/** With random weights, since the results do not matter. */
function exportResNet50({ root, python, folder, log }) {
  const path = join(folder(), 'resnet50.pt')
  if (existsSync(path)) return path
  log('exporting ResNet-50 …')
  const script = join(root, 'scripts/export/export_torchvision.py')
  execFileSync(python, [script, 'resnet50', '--out', path], { stdio: ['ignore', 2, 2] })
  return path
}

export async function cases({ model: path }) {
  const { monitorEventLoopDelay } = await import('node:perf_hooks')
  const { setTimeout: sleep } = await import('node:timers/promises')
  const { ScriptModule, torch } = await import('../../../dist/index.js')
  const { noGrad } = torch
  const model = (await ScriptModule.load(path)).eval()
  const images = torch.rand([4, 3, 224, 224])
  await noGrad(() => model.forward(images))

  /** In milliseconds. The histogram holds the time between two ticks of a timer of 1 ms, so it is never below 1 ms. */
  const watched = (work) => async (n) => {
    const histogram = monitorEventLoopDelay({ resolution: 1 })
    const late = []
    let last = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      late.push(now - last - 1)
      last = now
    }, 1)
    const waitedBefore = secondsWithoutCore()
    histogram.enable()
    await work(n)
    histogram.disable()
    const waited = secondsWithoutCore() - waitedBefore
    clearInterval(timer)
    const [mean, p99, max] = [histogram.mean, histogram.percentile(99), histogram.max].map((ns) => ns / 1e6)
    return { delay: { mean, p99, max }, late, waited }
  }
  return {
    idle: { run: watched((n) => sleep(n * 100)) },
    'ResNet-50 forwards, batch 4': {
      run: watched(async (n) => {
        for (let i = 0; i < n; i++) await noGrad(() => model.forward(images))
      }),
    },
  }
}
