/** Environment variables that a component is mounted with, checked against what it declares (function-runtime.md §1.10). */
import { PlatformError } from '@concave/base'
import { isSubset } from '@concave/database'
import { checkValue, parseValidator, renderValidator, type TableNumbers, type Validator } from '@concave/values'
import { pushError } from '../push/push-request.ts'
import type { ComponentDefinition } from './component-definition.ts'

type Declarations = NonNullable<ComponentDefinition['envVars']>
type Declaration = { readonly validator: Validator; readonly isOptional: boolean }
type Bindings = NonNullable<ComponentDefinition['childComponents'][number]['env']>

/** Throws the push's error for the first binding that cannot be. */
export function checkBindings(options: {
  readonly componentPath: string
  readonly bindings: Bindings
  readonly declared: Declarations
  /** Of the component that mounts this one. */
  readonly parentDeclared: Declarations
}): void {
  const { componentPath, bindings } = options
  const declared = readDeclarations(options.declared)
  const parentDeclared = readDeclarations(options.parentDeclared)
  const bound = new Set<string>()
  for (const [name, binding] of bindings) {
    const refuse = (reason: string): Error =>
      pushError('TypecheckError', `Component ${componentPath} cannot take the env var ${name}: ${reason}`)
    const target = declared.get(name)
    if (target === undefined) throw refuse('it does not declare one of that name.')
    bound.add(name)
    if (binding.type === 'value') {
      const failure = checkValue(target.validator, binding.value, noTables)
      if (failure !== undefined) throw refuse(failure)
      continue
    }
    const source = parentDeclared.get(binding.name)
    if (source === undefined) throw refuse(`who mounts it declares no env var ${binding.name}.`)
    if (source.isOptional && !target.isOptional) {
      throw refuse(`it is required, and ${binding.name} of who mounts it is optional.`)
    }
    if (!isSubset(source.validator, target.validator)) {
      throw refuse(
        `it takes ${renderValidator(target.validator)}, and ${binding.name} of who mounts it is ${renderValidator(source.validator)}.`,
      )
    }
  }
  for (const [name, { isOptional }] of declared) {
    if (!isOptional && !bound.has(name)) {
      throw pushError('TypecheckError', `Component ${componentPath} is missing required env var ${name}`)
    }
  }
}

const noTables: TableNumbers = { numberOf: () => undefined, nameOf: () => undefined }

/** Throws the push's error for a declaration that holds no text. */
export function readDeclarations(declarations: Declarations): ReadonlyMap<string, Declaration> {
  return new Map(
    declarations.map(([name, { value, optional }]) => {
      const validator = readValidator(name, value)
      if (!isTextual(validator)) {
        throw pushError(
          'InvalidEnvVarDeclaration',
          `The env var ${name} is declared as ${renderValidator(validator)}: it may be v.string(), literals of strings, and unions of those.`,
        )
      }
      return [name, { validator, isOptional: optional === true }] as const
    }),
  )
}

function readValidator(name: string, text: string): Validator {
  try {
    return parseValidator(JSON.parse(text))
  } catch (error) {
    if (!(error instanceof PlatformError || error instanceof SyntaxError)) throw error
    throw pushError('InvalidEnvVarDeclaration', `The env var ${name} has no validator: ${error.message}`)
  }
}

function isTextual(validator: Validator): boolean {
  if (validator.type === 'union') return validator.members.every(isTextual)
  return validator.type === 'string' || (validator.type === 'literal' && typeof validator.value === 'string')
}
