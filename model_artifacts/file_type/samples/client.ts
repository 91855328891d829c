export interface Prediction {
  readonly label: string;
  readonly score: number;
}

export type Fetcher = (url: string, init?: RequestInit) => Promise<Response>;

export class Client {
  constructor(private readonly base: string, private readonly fetcher: Fetcher = fetch) {}

  async predict(model: string, body: Uint8Array): Promise<Prediction[]> {
    const response: Response = await this.fetcher(`${this.base}/models/${model}/predict`, {
      method: "POST",
      body,
    });
    if (!response.ok) {
      throw new Error(`the model answers ${response.status}`);
    }
    return (await response.json()) as Prediction[];
  }
}
