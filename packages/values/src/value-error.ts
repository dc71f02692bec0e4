import { PlatformError } from '@concave/base'

/**
 * The caller sent something that is no value, id, name or validator. `code` is one of database.md §1.6, or `InvalidValue`,
 * `InvalidId`, `InvalidValidator`, `InvalidRecordType` where the specification names none.
 */
export class ValueError extends PlatformError {
  override readonly name = 'ValueError'

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(400, code, message, options)
  }
}
