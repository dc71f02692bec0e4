/** Permission to upload files, as text in a URL: who holds it may use it until it expires, as often as they like. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, type Random, Unauthenticated } from '@concave/base'
import type { MetaStore } from '@concave/storage'
import { findDocumentId } from '@concave/values'
import { loadMetaSecret } from '../meta-secret.ts'
import { fileLimits } from './file-limits.ts'

const secretKey = 'files/uploadTokenSecret'
const macBytes = 32
const timeBytes = 8

/**
 * A token is base64url of: time of issue (u64 ms), the MAC of what else it holds with a secret of this deployment, and the
 * id of the component that it is for (nothing for the app).
 */
export class UploadTokens {
  readonly #meta: MetaStore
  readonly #random: Random
  readonly #clock: Clock
  #secret: Promise<Buffer> | undefined

  constructor(deps: { readonly meta: MetaStore; readonly random: Random; readonly clock: Clock }) {
    this.#meta = deps.meta
    this.#random = deps.random
    this.#clock = deps.clock
  }

  async issue(componentId: string): Promise<string> {
    const time = Buffer.alloc(timeBytes)
    time.writeBigUInt64BE(BigInt(this.#clock.nowMs()))
    const component = Buffer.from(componentId)
    return Buffer.concat([time, await this.#mac(time, component), component]).toString('base64url')
  }

  /**
   * The id of the token's component. Throws 401: `InvalidStorageToken` for what is no token, `StorageTokenInvalid` for
   * another's, `StorageTokenExpired`.
   */
  async check(token: string | null): Promise<string> {
    const bytes = Buffer.from(token ?? '', 'base64url')
    const component = bytes.subarray(timeBytes + macBytes)
    const isWhole = bytes.length >= timeBytes + macBytes && bytes.toString('base64url') === token
    if (!isWhole || (component.length > 0 && findDocumentId(component.toString()) === undefined)) {
      throw new Unauthenticated(
        'InvalidStorageToken',
        'The URL needs the parameter "token", as ctx.storage.generateUploadUrl() gives it.',
      )
    }
    const time = bytes.subarray(0, timeBytes)
    const mac = bytes.subarray(timeBytes, timeBytes + macBytes)
    if (!timingSafeEqual(mac, await this.#mac(time, component))) {
      throw new Unauthenticated('StorageTokenInvalid', 'The upload URL was not made by this deployment.')
    }
    if (this.#clock.nowMs() - Number(time.readBigUInt64BE()) > fileLimits.uploadUrlMs) {
      throw new Unauthenticated(
        'StorageTokenExpired',
        'The upload URL has expired: they are valid for one hour. Ask for another with ctx.storage.generateUploadUrl().',
      )
    }
    return component.toString()
  }

  async #mac(time: Buffer, component: Buffer): Promise<Buffer> {
    return createHmac('sha256', await this.#loadSecret())
      .update(time)
      .update(component)
      .digest()
  }

  /** Made at first use. */
  async #loadSecret(): Promise<Buffer> {
    this.#secret ??= loadMetaSecret(this.#meta, secretKey, this.#random)
    try {
      return await this.#secret
    } catch (error) {
      this.#secret = undefined
      throw error
    }
  }
}
