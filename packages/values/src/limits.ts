/** Limits of values (database.md §1.6). Sizes in bytes. */
export const valueLimits = {
  maxDocumentSize: 1_048_576,
  maxValueSize: 32 * 1_048_576,
  maxNesting: 64,
  maxDocumentNesting: 16,
  maxArrayLength: 8192,
  maxObjectFields: 1024,
  maxFieldNameLength: 1024,
  maxIdentifierLength: 64,
} as const
