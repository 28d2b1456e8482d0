"""Language: the vocabulary of the suite (``vocab``), sentences on the device (``templates``), and the parser
(``parser``)."""
