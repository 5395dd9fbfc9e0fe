import { AsyncResource } from 'node:async_hooks'
import { expectFunction, expectObject, SosError } from '../../base/index.js'
import { setGradEnabled } from '../context/context.js'
import { type HookHandle, hookHandle } from '../context/hook-handle.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { extendTensor } from '../tensor/extend.js'
import { expectTensor, handleOf, Tensor } from '../tensor/tensor.js'
import { type BackwardOptions, backward } from './autograd.js'

/** What a tensor has for gradients. */
export interface TensorAutograd {
  /**
   * The gradient that `backward` has gathered in this leaf, or null. It is the memory that the next `backward` adds to: set
   * it to null before each step. Throws `ERR_BUSY` while a gradient of what depends on this tensor is pending: await it.
   */
  grad: Tensor | null

  /**
   * Adds the gradients of this tensor to the `grad` of the leaves that it depends on, off the event loop. As Python's
   * `tensor.backward(gradient)`.
   *
   * @param options.gradient of this tensor's shape; default: 1 where it has one element, others need it
   */
  backward(options?: BackwardOptions & { gradient?: Tensor }): Promise<void>

  /**
   * Calls `hook` with the gradient with respect to this tensor each time that one is computed, on this thread, while the
   * backward waits; what it returns, if anything, goes on in its place. Sync: a promise is refused with `ERR_HOOK_RESULT`. What it
   * throws rejects the backward. Throws `ERR_BUSY` as `grad` does, `ERR_TORCH` where the tensor requires no gradients.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` returns void to TypeScript
  registerHook(hook: (gradient: Tensor) => Tensor | undefined | void): HookHandle
}

declare module '../tensor/tensor.js' {
  interface Tensor extends TensorAutograd {}
}

extendTensor<TensorAutograd>({
  get grad() {
    const handle = binding.tensorGrad(handleOf(this))
    return handle === null ? null : new Tensor(handle)
  },

  set grad(gradient) {
    if (gradient !== null) expectTensor('grad', gradient)
    binding.tensorSetGrad(handleOf(this), gradient === null ? null : handleOf(gradient))
  },

  backward(options = {}) {
    expectObject('options', options)
    const { gradient, ...rest } = options
    return backward([this], gradient === undefined ? rest : { ...rest, gradOutputs: [gradient] })
  },

  registerHook(hook) {
    expectFunction('hook', hook)
    // In the context of the registration, but recording just where the backward does.
    const listener = AsyncResource.bind((gradient: TensorHandle, recording: boolean) => {
      const answer: unknown = setGradEnabled(recording, () => hook(new Tensor(gradient)))
      if (answer === undefined) return undefined
      if (answer instanceof Tensor) return handleOf(answer)
      throw new SosError(
        'ERR_HOOK_RESULT',
        `expected the hook of a gradient to return a Tensor or nothing but it returned ${answer instanceof Promise ? 'a promise; make it sync' : typeof answer}`,
      )
    })
    return hookHandle(binding.tensorRegisterHook(handleOf(this), listener))
  },
})
