import { BadRequest } from '@concave/base'
import type { KeyRange } from '@concave/storage'
import type { Value } from '@concave/values'

import type { TextIndex } from '../index-kind.ts'
import { textLimits } from './text-limits.ts'
import { watchText } from './text-keys.ts'
import { tokenize } from './tokens.ts'

/** One condition of `withSearchIndex`. `value` undefined means a missing field. */
export type SearchExpression =
  | { readonly type: 'Search'; readonly field: string; readonly text: string }
  | { readonly type: 'Eq'; readonly field: string; readonly value: Value | undefined }

/** `field`: position among the filter fields of the index. */
export type TextFilter = { readonly field: number; readonly value: Value | undefined }

/** A search that its index can answer. The last word also stands for all terms that begin with it. */
export type TextQuery = {
  readonly words: readonly string[]
  readonly filters: readonly TextFilter[]
  /** What the outcome depends on, in the key space of the index. */
  readonly watched: readonly KeyRange[]
}

/** Throws the developer's error; `name` is the index as `table.index`. */
export function compileSearch(name: string, text: TextIndex, expressions: readonly SearchExpression[]): TextQuery {
  let searched: string | undefined
  const filters: TextFilter[] = []
  for (const expression of expressions) {
    const { field } = expression
    if (expression.type === 'Eq') {
      const position = text.filterFields.indexOf(field)
      if (position === -1) throw incorrectFilterField(name, field)
      filters.push({ field: position, value: expression.value })
      continue
    }
    if (field !== text.searchField) throw incorrectSearchField(name, field, text.searchField)
    if (searched !== undefined) throw duplicateSearch(name, field)
    searched = expression.text
  }
  if (searched === undefined) throw missingSearch(name, text.searchField)
  if (filters.length > textLimits.maxFilters) throw tooManyFilters(name, filters.length)
  const words = tokenize(searched, textLimits.maxQueryTokens)
  return { words, filters, watched: watchText(words, filters[0]) }
}

function incorrectSearchField(name: string, field: string, searchField: string): BadRequest {
  return new BadRequest(
    'IncorrectSearchField',
    `Search query against ${name} contains a search filter against "${field}", which doesn't match the indexed \`searchField\` "${searchField}".`,
  )
}

function duplicateSearch(name: string, field: string): BadRequest {
  return new BadRequest(
    'DuplicateSearchFiltersError',
    `Search query against ${name} contains multiple search filters against "${field}". Only one is allowed.`,
  )
}

function incorrectFilterField(name: string, field: string): BadRequest {
  return new BadRequest(
    'IncorrectFilterFieldError',
    `Search query against ${name} contains an equality filter on "${field}" but that field isn't indexed for filtering in \`filterFields\`.`,
  )
}

function missingSearch(name: string, searchField: string): BadRequest {
  return new BadRequest(
    'MissingSearchFilterError',
    `Search query against ${name} does not contain any search filters. You must include a search filter like \`q.search("${searchField}", searchText)\`.`,
  )
}

function tooManyFilters(name: string, count: number): BadRequest {
  return new BadRequest(
    'TooManyFilterConditionsInSearchQueryError',
    `Search query against ${name} has too many filter conditions. Max: ${textLimits.maxFilters} Actual: ${count}`,
  )
}

export function tooManyDocuments(): BadRequest {
  return new BadRequest(
    'SearchQueryScannedTooManyDocumentsError',
    `Search query scanned too many documents (fetched ${textLimits.maxCandidates}). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.`,
  )
}
