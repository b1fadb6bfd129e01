/** A list that grows at its end and shrinks at its start, by index, without copying at each removal. */
export class Queue<Item> {
  #items: Item[] = [];
  #start = 0;
  readonly #nothing: Item;

  /** `nothing` takes the places of what was removed; a number keeps a list of numbers one of plain numbers. */
  constructor(nothing: Item) {
    this.#nothing = nothing;
  }

  get length(): number {
    return this.#items.length - this.#start;
  }

  /** The item at `index` from the start; undefined where there is none. */
  at(index: number): Item | undefined {
    return index < 0 ? undefined : this.#items[this.#start + index];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** Replaces an item that is there. */
  set(index: number, item: Item): void {
    this.#items[this.#start + index] = item;
  }

  removeFirst(count: number): void {
    const end = Math.min(this.#start + count, this.#items.length);
    this.#items.fill(this.#nothing, this.#start, end);
    this.#start = end;
    if (this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
  }
}
