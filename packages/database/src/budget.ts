import { BadRequest } from '@concave/base'

import { systemTransactionLimits, type TransactionLimits } from './transaction-limits.ts'

export type Metric = keyof TransactionLimits
export type Metrics = { readonly [M in Metric]: { readonly used: number; readonly remaining: number } }

/**
 * What one transaction has used (database.md §5.7). Counts only rise: neither a rolled back savepoint nor a caught error
 * gives anything back. System tables are counted apart.
 */
export class Budget {
  #limits: TransactionLimits
  readonly #used: Record<Metric, number> = createCounts()
  readonly #usedBySystem: Record<Metric, number> = createCounts()

  constructor(limits: TransactionLimits) {
    this.#limits = limits
  }

  metrics(): Metrics {
    const metrics = {} as Record<Metric, { used: number; remaining: number }>
    for (const metric of metricNames) {
      const used = this.#used[metric]
      metrics[metric] = { used, remaining: Math.max(0, this.#limits[metric] - used) }
    }
    return metrics
  }

  /** What comes close to its limit, worded for the developer. */
  warnings(): readonly BudgetWarning[] {
    let warnings: BudgetWarning[] | undefined
    for (const metric of metricNames) {
      const used = this.#used[metric]
      if (used === 0) continue
      const limit = this.#limits[metric]
      if (used > warningShareOf(metric) * limit) (warnings ??= []).push(nearLimit(metric, used, limit))
    }
    return warnings ?? noWarnings
  }

  /** Forgets what was used: the execution starts over. */
  reset(): void {
    Object.assign(this.#used, createCounts())
    Object.assign(this.#usedBySystem, createCounts())
  }

  /** Lowers limits to what is given, counted from here; never wider than what is left. Returns what restores them. */
  narrow(limits: Partial<TransactionLimits>): () => void {
    const before = this.#limits
    const narrowed: Record<Metric, number> = { ...before }
    for (const metric of metricNames) {
      const limit = limits[metric]
      if (limit !== undefined) narrowed[metric] = Math.min(before[metric], this.#used[metric] + limit)
    }
    this.#limits = narrowed
    return () => {
      this.#limits = before
    }
  }

  /** How many more documents and bytes a read may take in before it fails. */
  readable(isSystem: boolean): { readonly documents: number; readonly bytes: number } {
    const limits = isSystem ? systemTransactionLimits : this.#limits
    const used = isSystem ? this.#usedBySystem : this.#used
    return { documents: limits.documentsRead - used.documentsRead, bytes: limits.bytesRead - used.bytesRead }
  }

  addRead(isSystem: boolean, documents: number, bytes: number): void {
    const used = isSystem ? this.#usedBySystem : this.#used
    used.documentsRead += documents
    used.bytesRead += bytes
  }

  /** Counts a read and fails if it was too much. */
  read(isSystem: boolean, documents: number, bytes: number): void {
    this.addRead(isSystem, documents, bytes)
    this.checkReads(isSystem)
  }

  checkReads(isSystem: boolean): void {
    this.#check(isSystem, 'documentsRead')
    this.#check(isSystem, 'bytesRead')
  }

  query(isSystem: boolean): void {
    this.#add(isSystem, 'databaseQueries', 1)
  }

  write(isSystem: boolean, bytes: number): void {
    this.#add(isSystem, 'documentsWritten', 1)
    this.#add(isSystem, 'bytesWritten', bytes)
  }

  schedule(argsBytes: number): number {
    this.#add(false, 'functionsScheduled', 1)
    this.#add(false, 'scheduledFunctionArgsBytes', argsBytes)
    return this.#used.functionsScheduled
  }

  writeFile(bytes: number): void {
    this.#add(false, 'filesWritten', 1)
    this.#add(false, 'fileWriteBytes', bytes)
  }

  readFile(bytes: number): void {
    this.#add(false, 'filesRead', 1)
    this.#add(false, 'fileReadBytes', bytes)
  }

  #add(isSystem: boolean, metric: Metric, amount: number): void {
    const used = isSystem ? this.#usedBySystem : this.#used
    used[metric] += amount
    this.#check(isSystem, metric)
  }

  #check(isSystem: boolean, metric: Metric): void {
    const limit = (isSystem ? systemTransactionLimits : this.#limits)[metric]
    const used = (isSystem ? this.#usedBySystem : this.#used)[metric]
    if (used > limit) throw exceeded(metric, limit)
  }
}

const noWarnings: readonly BudgetWarning[] = []

/** `code`: of the error that would follow. */
export type BudgetWarning = { readonly code: string; readonly message: string }

/** database.md §5.7: a query's intervals are warned of earlier. */
function warningShareOf(metric: Metric): number {
  return metric === 'databaseQueries' ? 0.75 : 0.8
}

/** The error's text as it would be, but for its beginning and what has been used. */
function nearLimit(metric: Metric, used: number, limit: number): BudgetWarning {
  const { code, message } = exceeded(metric, limit)
  const unit = message.includes(`limit: ${limit} bytes`) ? ' bytes' : ''
  const start = message.startsWith('Too many') ? 'Many' : 'Large'
  const rest = message.replace(/^Too \w+/, '').replace('(limit:', `(actual: ${used}${unit}, limit:`)
  return { code, message: `${start}${rest}` }
}

const metricNames: readonly Metric[] = [
  'documentsRead',
  'bytesRead',
  'databaseQueries',
  'documentsWritten',
  'bytesWritten',
  'functionsScheduled',
  'scheduledFunctionArgsBytes',
  'filesWritten',
  'fileWriteBytes',
  'filesRead',
  'fileReadBytes',
]

const help =
  'Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.'

export function exceeded(metric: Metric, limit: number): BadRequest {
  const run = 'in a single function execution'
  switch (metric) {
    case 'documentsRead':
      return new BadRequest('TooManyDocumentsRead', `Too many documents read ${run} (limit: ${limit}). ${help}`)
    case 'bytesRead':
      return new BadRequest('TooManyBytesRead', `Too many bytes read ${run} (limit: ${limit} bytes). ${help}`)
    case 'databaseQueries':
      return new BadRequest('TooManyReads', `Too many reads ${run} (limit: ${limit}). ${help}`)
    case 'documentsWritten':
      return new BadRequest('TooManyWrites', `Too many writes ${run} (limit: ${limit})`)
    case 'bytesWritten':
      return new BadRequest('TooManyBytesWritten', `Too many bytes written ${run} (limit: ${limit} bytes)`)
    case 'functionsScheduled':
      return new BadRequest(
        'TooManyFunctionsScheduled',
        `Too many functions scheduled by this mutation (limit: ${limit})`,
      )
    case 'scheduledFunctionArgsBytes':
      return new BadRequest(
        'ScheduledFunctionsArgumentsTooLarge',
        `Too large total size of the arguments of scheduled functions from this mutation (limit: ${limit} bytes)`,
      )
    case 'filesWritten':
      return new BadRequest('TooManyFilesWritten', `Too many files written ${run} (limit: ${limit})`)
    case 'fileWriteBytes':
      return new BadRequest('TooManyFileBytesWritten', `Too many bytes of files written ${run} (limit: ${limit} bytes)`)
    case 'filesRead':
      return new BadRequest('TooManyFilesRead', `Too many files read ${run} (limit: ${limit})`)
    case 'fileReadBytes':
      return new BadRequest('TooManyFileBytesRead', `Too many bytes of files read ${run} (limit: ${limit} bytes)`)
  }
}

function createCounts(): Record<Metric, number> {
  return {
    documentsRead: 0,
    bytesRead: 0,
    databaseQueries: 0,
    documentsWritten: 0,
    bytesWritten: 0,
    functionsScheduled: 0,
    scheduledFunctionArgsBytes: 0,
    filesWritten: 0,
    fileWriteBytes: 0,
    filesRead: 0,
    fileReadBytes: 0,
  }
}
