/** Changing a deployment's environment variables: all of a request's changes or none (function-runtime.md §3.6). */
import { BadRequest } from '@concave/base'
import type { Database, Transaction } from '@concave/database'
import { deploymentLimits } from '../limits.ts'
import { environmentVariables } from '../records.ts'

/** `value` null or absent removes the variable; removing one that is not there is fine. */
export type VariableChange = { readonly name: string; readonly value?: string | null | undefined }

/** `onChanged` may refuse the change, or write what follows from it, in the same transaction. */
export async function changeEnvironmentVariables(
  database: Database,
  changes: readonly VariableChange[],
  onChanged: (tx: Transaction) => Promise<void>,
): Promise<void> {
  const names = new Set<string>()
  for (const change of changes) {
    checkChange(change)
    if (names.has(change.name)) {
      throw new BadRequest(
        'EnvVarNameNotUnique',
        `The environment variable "${change.name}" is changed twice in one request.`,
      )
    }
    names.add(change.name)
  }
  await database.mutate('system:update_environment_variables', async (tx) => {
    const before = await environmentVariables.byIndex(tx, 'by_name', [])
    const after = new Map(before.map(({ name, value }) => [name, value]))
    for (const { name, value } of changes) {
      const existing = before.find((row) => row.name === name)
      if (value === null || value === undefined) {
        after.delete(name)
        if (existing !== undefined) await environmentVariables.delete(tx, existing._id)
        continue
      }
      after.set(name, value)
      if (existing === undefined) await environmentVariables.insert(tx, { name, value })
      else await environmentVariables.patch(tx, existing._id, { value })
    }
    checkTotals(after)
    await onChanged(tx)
  })
}

function checkChange({ name, value }: VariableChange): void {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
    throw new BadRequest(
      'EnvironmentVariableNameInvalid',
      `The environment variable name "${name}" is not valid: it must start with a letter or underscore and contain only letters, digits and underscores.`,
    )
  }
  if (name.length > deploymentLimits.maxEnvironmentVariableNameLength) {
    throw new BadRequest(
      'EnvironmentVariableNameTooLong',
      `The environment variable name "${name.slice(0, 40)}…" is longer than ${deploymentLimits.maxEnvironmentVariableNameLength} characters.`,
    )
  }
  if (Buffer.byteLength(value ?? '') > deploymentLimits.maxEnvironmentVariableValueBytes) {
    throw new BadRequest(
      'EnvironmentVariableValueTooLarge',
      `The value of the environment variable "${name}" is larger than ${deploymentLimits.maxEnvironmentVariableValueBytes} bytes.`,
    )
  }
}

function checkTotals(variables: ReadonlyMap<string, string>): void {
  if (variables.size > deploymentLimits.maxEnvironmentVariables) {
    throw new BadRequest(
      'EnvVarLimitMet',
      `A deployment has at most ${deploymentLimits.maxEnvironmentVariables} environment variables. Remove some first.`,
    )
  }
  let bytes = 0
  for (const [name, value] of variables) bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  if (bytes > deploymentLimits.maxEnvironmentBytes) {
    throw new BadRequest(
      'EnvVarTotalSizeLimitMet',
      `The environment variables of a deployment hold at most ${deploymentLimits.maxEnvironmentBytes} bytes in all.`,
    )
  }
}
