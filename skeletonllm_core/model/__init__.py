"""Images → visual tokens → text: the multimodal language model behind DrAction."""
