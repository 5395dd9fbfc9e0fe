import { SosError } from '../base/index.js'
import { type ScriptModule, scope, Tensor, torch } from '../torch/index.js'

/**
 * Runs a model on images. Where it fails, the error tells what it was given, and what may be done: a model that fails on this many images
 * but not on another number, as a trace does that holds the size of its batch, asks for that number; else an error of shapes asks
 * for the preprocessing.
 *
 * @param run the forward, and the check of what it returns; on failure it is run again on other numbers of these images
 * @throws what `run` throws, with more in the message of an `ERR_TORCH` or `ERR_OUTPUT_SHAPE`
 */
export async function onImages<T>(
  model: ScriptModule,
  images: Tensor,
  run: (images: Tensor) => Promise<T>,
): Promise<T> {
  try {
    return await run(images)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'ERR_TORCH' && code !== 'ERR_OUTPUT_SHAPE') throw error
    const size = await sizeThatRuns(model, images, run)
    if (size !== null) throw withMore(error as Error, ofSize(images.shape[0]!, size))
    throw code === 'ERR_TORCH' ? ofShape(error as Error, images) : error
  }
}

/** The error of a forward that may fail for the shape of its images, with that shape and the question. */
export function ofShape(error: Error, { dtype, shape }: Tensor): Error {
  const given = `the model was given images ${dtype} [${shape.join(', ')}]`
  const isOfShape = /shape|size|dimension|channel|stack|broadcast|out of range/i.test(error.message)
  return withMore(
    error,
    isOfShape
      ? `${given}: is this the network's preprocessing (its number of channels, resize and crop; --preset, --resize, --crop)?`
      : given,
  )
}

/** The error again, with a line more. */
export function withMore(error: Error, more: string): Error {
  const { code, submodule, line } = error as Error & { code: string; submodule?: string; line?: string }
  const told = new SosError(code, `${error.message}\n  ${more}`, { cause: error })
  return Object.assign(told, submodule === undefined ? {} : { submodule, line })
}

function ofSize(given: number, size: number): string {
  const divides = size === 1 ? '' : `, and a number of images that ${size} divides`
  return `it fails on ${given} ${given === 1 ? 'image' : 'images'} but runs on ${size}: a traced model may have the number of its images baked in; give it ${size} at a time by chunk: ${size} (--chunk ${size})${divides}`
}

/** Another number of images that the model runs on, the least that is found; null where there is none. */
async function sizeThatRuns<T>(
  model: ScriptModule,
  images: Tensor,
  run: (images: Tensor) => Promise<T>,
): Promise<number | null> {
  const given = images.shape[0]!
  for (const size of candidates(model)) {
    if (size === given) continue
    const runs = await scope(async () => {
      const places = torch.tensor(
        Array.from({ length: size }, (_, i) => i % given),
        { dtype: 'int64', device: images.device },
      )
      try {
        return hasRowsFor(size, await run(images.index_select(0, places)))
      } catch {
        return false
      }
    })
    if (runs) return size
  }
  return null
}

/** A reshape may take the elements of three grey images for one in colour: what comes out has then another number of rows. */
function hasRowsFor(size: number, output: unknown): boolean {
  if (output instanceof Tensor) return output.shape[0] === size
  if (Array.isArray(output) || output instanceof Map) {
    return [...output.values()].some((item) => hasRowsFor(size, item))
  }
  return false
}

/** Numbers that a graph may mean by the size of a batch: 1, and those among its constants. */
function candidates(model: ScriptModule): number[] {
  const graph = model.graph('forward', { inlined: true })
  const constants = [...graph.matchAll(/prim::Constant\[value=(\d{1,4})\]|value=\[([\d, ]+)\]/g)]
  const numbers = constants.flatMap(([, one, list]) => (one ?? list!).split(',').map(Number))
  const sizes = [...new Set([1, ...numbers])].filter((size) => size >= 1 && size <= 1024)
  return sizes.sort((a, b) => a - b).slice(0, 16)
}
