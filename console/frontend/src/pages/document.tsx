import type { PageProps } from "../routes";
import { Page } from "../ui/page";

export default function Soon(_: PageProps) {
  return <Page title="document" />;
}
