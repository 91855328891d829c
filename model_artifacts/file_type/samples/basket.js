'use strict';

const express = require('express');
const app = express();
const baskets = new Map();

app.use(express.json());

app.post('/baskets/:id/items', (request, response) => {
  const items = baskets.get(request.params.id) || [];
  items.push({ article: request.body.article, count: Number(request.body.count) || 1 });
  baskets.set(request.params.id, items);
  response.status(201).json(items);
});

app.listen(3000, () => console.log('listening on 3000'));
