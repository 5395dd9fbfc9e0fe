/** 1, 2 and 5 of each decade, or the decades alone where those are many. */
export function logTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const decades: number[] = []
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) decades.push(e)
  const steps = decades.length > 3 ? [1] : [1, 2, 5]
  const ticks = decades.flatMap((e) => steps.map((step) => Number(`${step}e${e}`)))
  return ticks.filter((tick) => tick >= low && tick <= high)
}
