import { parseValidator, type Validator } from '@concave/values'

/** State of a `_schemas` row (database.md §4.6). */
export type SchemaState =
  | { readonly state: 'pending' }
  | { readonly state: 'validated' }
  | { readonly state: 'active' }
  | { readonly state: 'failed'; readonly error: string; readonly tableName?: string }
  | { readonly state: 'overwritten' }

/** Wire JSON of a `_schemas` row; `schema` is the schema's JSON text as pushed. */
export type SchemaRow = { readonly state: SchemaState; readonly schema: string }

/** A schema row with its validators parsed, once for all writes that are checked against it. */
export class LoadedSchema {
  /** Internal id of the row. */
  readonly rowId: Uint8Array
  readonly namespace: string
  readonly state: SchemaState
  readonly text: string
  readonly schemaValidation: boolean
  /** Tables whose documents are checked: not those with `v.any()`. */
  readonly validators: ReadonlyMap<string, Validator>

  private constructor(
    fields: Pick<LoadedSchema, 'rowId' | 'namespace' | 'state' | 'text' | 'schemaValidation' | 'validators'>,
  ) {
    this.rowId = fields.rowId
    this.namespace = fields.namespace
    this.state = fields.state
    this.text = fields.text
    this.schemaValidation = fields.schemaValidation
    this.validators = fields.validators
  }

  /** `previous`: the same row before; its validators are reused while the text is the same. */
  static parseRow(
    table: { readonly namespace: string },
    rowId: Uint8Array,
    rowText: string,
    previous: LoadedSchema | undefined,
  ): LoadedSchema {
    const row = JSON.parse(rowText) as SchemaRow
    if (previous?.text === row.schema) return new LoadedSchema({ ...fieldsOf(previous), state: row.state })
    const schema = JSON.parse(row.schema) as StoredSchema
    const validators = new Map<string, Validator>()
    for (const definition of schema.tables) {
      if (definition.documentType === null || definition.documentType === undefined) continue
      if ((definition.documentType as { type?: unknown }).type === 'any') continue
      validators.set(definition.tableName, withoutSystemFields(parseValidator(definition.documentType)))
    }
    return new LoadedSchema({
      rowId,
      namespace: table.namespace,
      state: row.state,
      text: row.schema,
      schemaValidation: schema.schemaValidation,
      validators,
    })
  }
}

/** System fields are implied and removed before the check, so declaring them has no effect. */
function withoutSystemFields(validator: Validator): Validator {
  if (validator.type === 'union') return { type: 'union', members: validator.members.map(withoutSystemFields) }
  if (validator.type !== 'object') return validator
  if (!validator.fields.has('_id') && !validator.fields.has('_creationTime')) return validator
  const fields = new Map(validator.fields)
  fields.delete('_id')
  fields.delete('_creationTime')
  return { type: 'object', fields }
}

type StoredSchema = {
  readonly schemaValidation: boolean
  readonly tables: readonly { readonly tableName: string; readonly documentType?: unknown }[]
}

function fieldsOf(
  schema: LoadedSchema,
): Pick<LoadedSchema, 'rowId' | 'namespace' | 'state' | 'text' | 'schemaValidation' | 'validators'> {
  const { rowId, namespace, state, text, schemaValidation, validators } = schema
  return { rowId, namespace, state, text, schemaValidation, validators }
}
