// What the scripts are given from elsewhere: frames, and what the API answers. For the type checker alone.

type Value = any;

interface Frame {
  type: string;
  seq: number;
  device: string;
  channel: string;
  ts: number;
  value: Value;
  id?: string;
  state?: string;
  error?: string;
  reason?: string;
  received?: number;
  rule?: string;
}

interface ChannelAbout {
  name?: string;
  unit?: string;
  kind?: string;
  min?: number;
  max?: number;
  digits?: number;
}

interface CommandAbout {
  name?: string;
  type?: "boolean" | "number" | "choice" | "text" | "button";
  channel?: string;
  min?: number;
  max?: number;
  step?: number;
  unit?: string;
  options?: string[];
}

interface About {
  name?: string;
  manufacturer?: string;
  model?: string;
  version?: string;
  interval?: number;
  tags?: string[];
  channels?: Record<string, ChannelAbout>;
  commands?: Record<string, CommandAbout>;
}

interface DeviceRecord {
  id: string;
  name?: string;
  type?: string;
  owner?: number | null;
  topics?: string[];
  disabled?: boolean;
  state?: string;
  created?: number;
  connected?: boolean;
  online?: boolean;
  last_seen?: number | null;
  last_value?: Frame | null;
  key?: string;
  about?: About | null;
  parent?: string | null;
  convention?: string | null;
}

interface Timers {
  set(work: () => void, ms: number): any;
  clear(timer: any): void;
}
