# The repository that was given first wins a tie.
repo system 0 testtags <inline>
repo first 1 testtags <inline>
#>=Pkg: a 1 1 noarch
repo second 1 testtags <inline>
#>=Pkg: a 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@first
