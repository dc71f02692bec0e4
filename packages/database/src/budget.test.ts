import { expect, test } from 'vitest'

import { Budget } from './budget.ts'
import { defaultTransactionLimits } from './transaction-limits.ts'

const help =
  'Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.'

test('warns of what is nearly used up, with the words of the error that would follow', () => {
  const budget = new Budget(defaultTransactionLimits)
  for (let n = 0; n < 3072; n += 1) budget.query(false)
  budget.read(false, 25_600, 13_421_772)
  expect(budget.warnings()).toEqual([])
  budget.query(false)
  budget.read(false, 1, 1)
  budget.schedule(15 * 1024 * 1024)
  expect(budget.warnings()).toEqual([
    {
      code: 'TooManyDocumentsRead',
      message: `Many documents read in a single function execution (actual: 25601, limit: 32000). ${help}`,
    },
    {
      code: 'TooManyBytesRead',
      message: `Many bytes read in a single function execution (actual: 13421773 bytes, limit: 16777216 bytes). ${help}`,
    },
    {
      code: 'TooManyReads',
      message: `Many reads in a single function execution (actual: 3073, limit: 4096). ${help}`,
    },
    {
      code: 'ScheduledFunctionsArgumentsTooLarge',
      message:
        'Large total size of the arguments of scheduled functions from this mutation (actual: 15728640 bytes, limit: 16777216 bytes)',
    },
  ])
})

test('does not warn of system tables, nor of an execution that starts over', () => {
  const budget = new Budget(defaultTransactionLimits)
  for (let n = 0; n < 15_000; n += 1) budget.write(true, 1)
  expect(budget.warnings()).toEqual([])
  for (let n = 0; n < 15_000; n += 1) budget.write(false, 1)
  expect(budget.warnings().map(({ code }) => code)).toEqual(['TooManyWrites'])
  budget.reset()
  expect(budget.warnings()).toEqual([])
})
