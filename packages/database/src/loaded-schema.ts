import { parseValidator, type Validator } from '@concave/values'

/** State of a `_schemas` row (database.md §4.6). */
export type SchemaState =
  | { readonly state: 'pending' }
  | { readonly state: 'validated' }
  | { readonly state: 'active' }
  | { readonly state: 'failed'; readonly error: string; readonly tableName?: string }
  | { readonly state: 'overwritten' }

/** How far the background check of a staged validator has come. `valid` holds until a write contradicts it. */
export type StagedState =
  | { readonly state: 'pending' }
  | { readonly state: 'valid' }
  | { readonly state: 'failed'; readonly error: string }

/** A table's `StagedState`, as in rows. */
export type StagedEntry = StagedState & { readonly tableName: string }

/** Wire JSON of a `_schemas` row; `schema` is the schema's JSON text as pushed. */
export type SchemaRow = {
  readonly state: SchemaState
  readonly schema: string
  /** Of active schemas only: the tables that have a staged validator. */
  readonly staged?: readonly StagedEntry[]
}

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
  /** Proposed next validators by table. None where nothing is validated. */
  readonly stagedValidators: ReadonlyMap<string, Validator>
  /** By table, while the schema is active. */
  readonly staged: ReadonlyMap<string, StagedState>

  private constructor(fields: Fields) {
    this.rowId = fields.rowId
    this.namespace = fields.namespace
    this.state = fields.state
    this.text = fields.text
    this.schemaValidation = fields.schemaValidation
    this.validators = fields.validators
    this.stagedValidators = fields.stagedValidators
    this.staged = fields.staged
  }

  /** `previous`: the same row before; its validators are reused while the text is the same. */
  static parseRow(
    table: { readonly namespace: string },
    rowId: Uint8Array,
    rowText: string,
    previous: LoadedSchema | undefined,
  ): LoadedSchema {
    const row = JSON.parse(rowText) as SchemaRow
    const staged = new Map((row.staged ?? []).map(({ tableName, ...state }) => [tableName, state]))
    if (previous?.text === row.schema) return new LoadedSchema({ ...fieldsOf(previous), state: row.state, staged })
    const schema = JSON.parse(row.schema) as StoredSchema
    const validators = new Map<string, Validator>()
    const stagedValidators = new Map<string, Validator>()
    for (const { tableName, documentType, stagedDocumentType } of schema.tables) {
      if (schema.schemaValidation && stagedDocumentType !== null && stagedDocumentType !== undefined) {
        stagedValidators.set(tableName, withoutSystemFields(parseValidator(stagedDocumentType)))
      }
      if (documentType === null || documentType === undefined) continue
      if ((documentType as { type?: unknown }).type === 'any') continue
      validators.set(tableName, withoutSystemFields(parseValidator(documentType)))
    }
    return new LoadedSchema({
      rowId,
      namespace: table.namespace,
      state: row.state,
      text: row.schema,
      schemaValidation: schema.schemaValidation,
      validators,
      stagedValidators,
      staged,
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
  readonly tables: readonly {
    readonly tableName: string
    readonly documentType?: unknown
    readonly stagedDocumentType?: unknown
  }[]
}

type Fields = Pick<
  LoadedSchema,
  'rowId' | 'namespace' | 'state' | 'text' | 'schemaValidation' | 'validators' | 'stagedValidators' | 'staged'
>

function fieldsOf(schema: LoadedSchema): Fields {
  const { rowId, namespace, state, text, schemaValidation, validators, stagedValidators, staged } = schema
  return { rowId, namespace, state, text, schemaValidation, validators, stagedValidators, staged }
}
