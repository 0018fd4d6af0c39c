"""Images on the latent core of textsem: data, networks, targets, attacks and what is measured."""
