module Primes (primes, factors) where

import Data.List (unfoldr)

-- | All prime numbers, lazily.
primes :: [Integer]
primes = 2 : filter isPrime [3, 5 ..]
  where
    isPrime n = all (\p -> n `mod` p /= 0) (takeWhile (\p -> p * p <= n) primes)

factors :: Integer -> [Integer]
factors = unfoldr step
  where
    step 1 = Nothing
    step n = let p = head [q | q <- primes, n `mod` q == 0] in Just (p, n `div` p)
