# A missing epoch is 0, so equality with epoch 1 is none.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: b = 2
#>=Pkg: b 1:2 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info nothing provides b = 2 needed by a-1-1.noarch
