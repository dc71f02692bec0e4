/** Arguments and results of functions at the host's side: decoding, size, validators (function-runtime.md §4.3, §4.4). */
import { PlatformError } from '@concave/base'
import { displayFunctionPath, type FunctionPath } from '@concave/protocol'
import {
  checkValue,
  commitTs,
  decodeValue,
  humanizeBytes,
  isValueArray,
  isValueObject,
  parseValue,
  renderValue,
  sizeOf,
  stringifyValue,
  type TableNumbers,
  type Validator,
  type Value,
} from '@concave/values'
import { deploymentLimits } from '../limits.ts'
import { FunctionError } from './function-error.ts'

/** The JSON text of the argument array that the runtime takes. `json` is the argument object in wire form. */
export function checkArguments(path: FunctionPath, validator: Validator, json: unknown, tables: TableNumbers): string {
  const value = decode(json, path)
  const size = sizeOf(value)
  if (size > deploymentLimits.maxArgumentsBytes) {
    throw new FunctionError(
      `Arguments for ${displayFunctionPath(path)} are too large (actual: ${humanizeBytes(size)}, limit: 16 MiB)`,
    )
  }
  if (!isValueObject(value)) {
    throw new FunctionError(
      `ArgumentValidationError: Expected to receive an object as the function's argument. Instead received: ${renderValue(value)}`,
    )
  }
  const failure = checkValue(validator, value, tables)
  if (failure !== undefined) throw new FunctionError(`ArgumentValidationError: ${failure}`)
  return `[${stringifyValue(value)}]`
}

/** Checks a handler's result. Returns it decoded; its text is what the runtime gave. */
export function checkResult(
  path: FunctionPath,
  validator: Validator | undefined,
  resultText: string,
  tables: TableNumbers,
): Value {
  let value: Value
  try {
    value = parseValue(resultText)
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error
    throw new FunctionError(`Function ${displayFunctionPath(path)} return value invalid: ${error.message}`)
  }
  const size = sizeOf(value)
  if (size > deploymentLimits.maxResultBytes) {
    throw new FunctionError(
      `Function ${displayFunctionPath(path)} return value is too large (actual: ${humanizeBytes(size)}, limit: 16 MiB)`,
    )
  }
  const failure = validator === undefined ? undefined : checkValue(validator, value, tables)
  if (failure !== undefined) throw new FunctionError(`ReturnsValidationError: ${failure}`)
  return value
}

/** How texts of values hold the placeholder; the same in a string is escaped. */
const commitTsText = '{"$commitTs":null}'

/** `checkArguments` for calls that no mutation makes: these have no commit whose timestamp could be meant. */
export function checkOuterArguments(...call: Parameters<typeof checkArguments>): string {
  const text = checkArguments(...call)
  if (!text.includes(commitTsText)) return text
  throw new FunctionError(
    `Invalid arguments for ${displayFunctionPath(call[0])}: they hold a commit timestamp that is not known yet.`,
  )
}

/** Whether a value holds the placeholder that only a commit can resolve. */
export function hasCommitTs(value: Value): boolean {
  if (value === commitTs) return true
  if (isValueArray(value)) return value.some(hasCommitTs)
  return isValueObject(value) && Object.values(value).some(hasCommitTs)
}

/** The value with every placeholder replaced by the commit's timestamp. */
export function resolveCommitTs(value: Value, ts: bigint): Value {
  if (value === commitTs) return ts
  if (isValueArray(value)) return value.map((element) => resolveCommitTs(element, ts))
  if (!isValueObject(value)) return value
  const resolved = Object.create(null) as Record<string, Value>
  for (const [field, fieldValue] of Object.entries(value)) resolved[field] = resolveCommitTs(fieldValue, ts)
  return resolved
}

function decode(json: unknown, path: FunctionPath): Value {
  try {
    return decodeValue(json)
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error
    throw new FunctionError(`Invalid arguments for ${displayFunctionPath(path)}: ${error.message}`)
  }
}
