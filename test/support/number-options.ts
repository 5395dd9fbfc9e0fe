import ts from 'typescript'

import { root } from './paths.js'

/**
 * Described things that calls take, and results of the package that it takes back: their numbers are checked where they are
 * made, or read.
 */
const described = new Set(
  'changes classifier config data dataset density first from landscape layer line operator optimizer parallel pixels place policy preprocess recipe record rows second shifts spectrum study subject train training validation version'.split(
    ' ',
  ),
)
const generated = /operators\.generated|node_modules/

/**
 * Every number that an exported function takes, by its place: `evaluate options.limit`, `new Trainer options.epochs`. A
 * parameter that is taken apart has its place for a name: `sampleIndices 1.size`.
 */
export function numberOptions(): string[] {
  const configuration = ts.getParsedCommandLineOfConfigFile(
    `${root}/tsconfig.json`,
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(String(diagnostic.messageText))
      },
    },
  )!
  const doors = ['torch', 'data', 'model', 'evaluate', 'shift', 'sharpness', 'train', 'report']
  const indexes = doors.map((door) => `${root}/src/${door}/index.ts`)
  const program = ts.createProgram(indexes, configuration.options)
  const checker = program.getTypeChecker()
  const found = new Set<string>()

  const declaredHere = (symbol: ts.Symbol) =>
    !symbol.declarations?.some((declaration) => generated.test(declaration.getSourceFile().fileName))
  const isPrivate = ({ declarations = [] }: ts.Symbol) =>
    declarations.some((declaration) => {
      const name = ts.getNameOfDeclaration(declaration)
      const modifiers = ts.getCombinedModifierFlags(declaration)
      return (
        (name !== undefined && ts.isPrivateIdentifier(name)) || (modifiers & ts.ModifierFlags.Private) !== 0
      )
    })
  const partsOf = (type: ts.Type) => (type.isUnion() ? type.types : [type])
  const isNumber = (type: ts.Type): boolean =>
    partsOf(type).some(({ flags }) => (flags & ts.TypeFlags.Number) !== 0) ||
    partsOf(type).some(
      (part) =>
        checker.isArrayLikeType(part) && checker.getTypeArguments(part as ts.TypeReference).some(isNumber),
    )
  const search = (type: ts.Type, place: string, depth: number) => {
    if (isNumber(type)) return void found.add(place)
    if (depth === 3) return
    for (const part of partsOf(type)) {
      const symbol = part.getSymbol()
      const plain = (part.flags & ts.TypeFlags.Object) !== 0 || part.isIntersection()
      if (!plain || part.getCallSignatures().length > 0 || checker.isArrayLikeType(part)) continue
      const mapped = symbol?.name === '__type' // as Omit makes, whose declaration is TypeScript's
      if (symbol && ((symbol.flags & ts.SymbolFlags.Class) !== 0 || !(mapped || declaredHere(symbol))))
        continue
      for (const property of checker.getPropertiesOfType(part)) {
        if (described.has(property.name) || !declaredHere(property)) continue
        search(checker.getTypeOfSymbol(property), `${place}.${property.name}`, depth + 1)
      }
    }
  }
  const searchCalls = (name: string, signatures: readonly ts.Signature[]) => {
    for (const signature of signatures) {
      for (const [i, parameter] of signature.getParameters().entries()) {
        if (described.has(parameter.name)) continue
        const place = parameter.name.startsWith('__') ? String(i) : parameter.name
        search(checker.getTypeOfSymbol(parameter), `${name} ${place}`, 0)
      }
    }
  }
  const searchValue = (name: string, symbol: ts.Symbol) => {
    const type = checker.getTypeOfSymbol(symbol)
    searchCalls(name, type.getCallSignatures())
    for (const signature of type.getConstructSignatures()) {
      const hidden = ts.getCombinedModifierFlags(signature.getDeclaration()) & ts.ModifierFlags.Private
      if (!hidden) searchCalls(`new ${name}`, [signature])
    }
    const members = [type, ...type.getConstructSignatures().map((signature) => signature.getReturnType())]
    if (type.getCallSignatures().length > 0) return
    for (const member of members.flatMap((one) => checker.getPropertiesOfType(one))) {
      if (!declaredHere(member) || isPrivate(member) || member.name === 'prototype') continue
      searchCalls(`${name}.${member.name}`, checker.getTypeOfSymbol(member).getCallSignatures())
    }
  }
  const membersOf = (symbol: ts.Symbol) => checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol))
  for (const index of indexes) {
    for (const exported of checker.getExportsOfModule(
      checker.getSymbolAtLocation(program.getSourceFile(index)!)!,
    )) {
      const aliased = (exported.flags & ts.SymbolFlags.Alias) !== 0
      const symbol = aliased ? checker.getAliasedSymbol(exported) : exported
      const typeOnly = exported.declarations?.some((one) => ts.isTypeOnlyExportDeclaration(one))
      const { name } = exported
      // Methods of tensors and operators of `torch` are libtorch's, which checks arguments by its schemas.
      if (typeOnly || (symbol.flags & ts.SymbolFlags.Value) === 0 || name === 'Tensor') continue
      if (name !== 'torch') {
        searchValue(name, symbol)
        continue
      }
      for (const member of membersOf(symbol).filter(declaredHere)) {
        if (['tensor', 'fromBuffer', 'async', 'ops'].includes(member.name)) continue
        if (member.name === 'autograd') for (const one of membersOf(member)) searchValue(one.name, one)
        else if (member.name !== 'nn') searchValue(member.name, member)
      }
    }
  }
  return [...found].sort()
}

/** Where any number may stand, or one of another object that is checked where it is made. */
export const elsewhere = [
  'EvaluationRecord.append 0.indices', // what evaluate made
  ...['images', 'models'].map((name) => `EvaluationRecord.expectFor ${name}`), // of evaluate, which compares them
  'ModuleTree.setAttribute value', // any value of TorchScript
  'ScriptModule.fromShared shared.sharedModule', // of share(); the addon knows the numbers that it gave
  'HookableModule.setAttribute value',
  'ScriptModule.setAttribute value',
  'ScriptObject.setAttribute value',
  'StatefulModule.setAttribute value',
  ...['asam', 'sam', 'clipGradients'].map((name) => `${name} base.learningRate`), // the trainer looks at it
  ...['complex', 'new Complex'].flatMap((name) => [`${name} re`, `${name} im`]),
  ...['driftBoundAt space', 'projectOnRowSpace space'].flatMap((place) =>
    ['filter', 'rank', 'singularValues'].map((name) => `${place}.${name}`),
  ), // a row space
  // Of a group of processes: test/torch/distributed.
  'ProcessGroup.broadcast root',
  'new GradientReducer options.bucketBytes',
]
