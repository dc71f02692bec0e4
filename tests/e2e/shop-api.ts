/** References to the functions of `tests/fixtures/shop`, as the app's own generated code has them (without its types). */
import { makeFunctionReference } from 'convex/server'

const query = (path: string) => makeFunctionReference<'query'>(path)
const mutation = (path: string) => makeFunctionReference<'mutation'>(path)

export const items = {
  add: mutation('items:add'),
  get: query('items:get'),
  patch: mutation('items:patch'),
  replace: mutation('items:replace'),
  remove: mutation('items:remove'),
  range: query('items:range'),
  cheap: query('items:cheap'),
  ends: query('items:ends'),
  only: query('items:only'),
  page: query('items:page'),
  byMissingIndex: query('items:byMissingIndex'),
  isItemId: query('items:isItemId'),
}

export const counters = {
  read: query('counters:read'),
  add: mutation('counters:add'),
  readInternally: query('counters:readInternally'),
  addAndSurviveFailure: mutation('counters:addAndSurviveFailure'),
}

export const values = {
  echo: query('values:echo'),
  store: mutation('values:store'),
  returnsWrongKind: query('values:returnsWrongKind'),
  untyped: query('values:untyped'),
  storeBadItem: mutation('values:storeBadItem'),
}

export const outcomes = {
  refuse: mutation('outcomes:refuse'),
  greeting: query('outcomes:greeting'),
  site: query('outcomes:site'),
  now: query('outcomes:now'),
}

export const version = { current: query('version:current') }
