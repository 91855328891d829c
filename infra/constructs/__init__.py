"""One capability per module. Constructs make resources; which of them may use which, stacks say."""
