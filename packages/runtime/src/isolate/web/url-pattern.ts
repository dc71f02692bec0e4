/** `URLPattern` (https://urlpattern.spec.whatwg.org), by the polyfill: it knows nothing but `URL` and regular expressions. */
import { URLPattern } from 'urlpattern-polyfill/urlpattern'
import { defineInterface } from './interface.ts'

export function installUrlPattern(): void {
  defineInterface('URLPattern', URLPattern)
}
