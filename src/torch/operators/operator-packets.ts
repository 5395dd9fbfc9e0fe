import { nearest, SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import type { OperatorHandle } from '../native/handles.js'
import type { OperatorNamespaces } from './operator-packets.generated.js'
import type { Value } from './values.js'

/** The operators of each namespace by name, with the overloads of each. */
type Index = Map<string, Map<string, string[]>>

function readIndex(): Index {
  const index: Index = new Map()
  for (const schema of binding.operatorSchemas()) {
    const [namespace, full] = schema.slice(0, schema.indexOf('(')).split('::') as [string, string]
    const [name, overload = 'default'] = full.split('.') as [string, string?]
    const operators = index.get(namespace) ?? new Map<string, string[]>()
    index.set(namespace, operators)
    operators.set(name, [...(operators.get(name) ?? []), overload])
  }
  return index
}

/** Properties that `await` and `JSON.stringify` look up on any object. */
const askedByJavaScript = new Set(['then', 'toJSON'])

/**
 * Gives `target` a member for each of the names. A member is made at its first use and kept. Other names are an error, except those that
 * `target` inherits and those that JavaScript itself looks up.
 */
function withMembers<T extends object>(
  target: T,
  expected: string,
  names: () => { has(name: string): boolean; keys(): Iterable<string> },
  make: (name: string) => unknown,
): T {
  const inherited = Object.getPrototypeOf(target) as object
  const lookUp: ProxyHandler<object> = {
    has: (_, key) => (typeof key === 'string' && names().has(key)) || Reflect.has(inherited, key),
    get: (_, key, receiver) => {
      if (typeof key === 'symbol') return Reflect.get(inherited, key, receiver)
      if (names().has(key)) {
        const value = make(key)
        Object.defineProperty(target, key, { value, enumerable: true })
        return value
      }
      if (askedByJavaScript.has(key) || Reflect.has(inherited, key))
        return Reflect.get(inherited, key, receiver)
      const similar = nearest(key, names().keys())
      throw new SosError(
        'ERR_OPERATOR_UNKNOWN',
        `expected ${expected} but this libtorch has no '${key}'${similar.length > 0 ? `; did you mean ${similar.join(', ')}?` : ''}`,
      )
    },
  }
  // The proxy is the prototype: members that were made are own properties, and reading them does not pass through it.
  Object.setPrototypeOf(target, new Proxy(Object.create(inherited), lookUp))
  return target
}

/**
 * Makes `torch.ops.NAMESPACE.NAME` and `torch.ops.NAMESPACE.NAME.OVERLOAD`. It has all operators that are registered when it is first used.
 *
 * @param invoke calls an operator
 */
export function operatorPackets(
  invoke: (name: string, operator: OperatorHandle, args: unknown[]) => Value,
): OperatorNamespaces {
  let index: Index | undefined
  const namespaces = () => {
    index ??= readIndex()
    return index
  }
  const callable = (name: string) => {
    let operator: OperatorHandle | undefined
    return (...args: unknown[]): Value => {
      operator ??= binding.findOperator(name)
      return invoke(name, operator, args)
    }
  }
  const packet = (name: string, overloads: string[]) =>
    withMembers(
      callable(name),
      `an overload of ${name}`,
      () => new Map(overloads.map((overload) => [overload, true])),
      (overload) => callable(`${name}.${overload}`),
    )
  const operators = (namespace: string, names: Map<string, string[]>) =>
    withMembers(
      {},
      `an operator of the namespace ${namespace}`,
      () => names,
      (name) => packet(`${namespace}::${name}`, names.get(name)!),
    )
  return withMembers({}, 'a namespace of operators', namespaces, (namespace) =>
    operators(namespace, namespaces().get(namespace)!),
  ) as OperatorNamespaces
}
