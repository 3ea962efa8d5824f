import { type ReactNode, useState } from "react";

interface Props {
  readonly label: string;
  readonly text: () => string;
}

/** Copies what is shown, as text. */
export function CopyButton({ label, text }: Props): ReactNode {
  const [word, setWord] = useState("copy");
  const copy = () => {
    navigator.clipboard.writeText(text()).then(
      () => setWord("copied"),
      () => setWord("refused"),
    );
  };
  return (
    <button
      type="button"
      className="button copy"
      aria-label={label}
      onClick={copy}
      onBlur={() => setWord("copy")}
    >
      {word}
    </button>
  );
}
